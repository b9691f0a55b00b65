//! Bytes on disk: frame, chain, head, writer, reader, recovery, lock.
