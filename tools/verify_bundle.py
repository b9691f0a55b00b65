#!/usr/bin/env python3
"""Verifies a bundle of `pointsman audit bundle`, or a proof of `pointsman audit prove`, independently of Pointsman: Python's standard library and `cryptography`.

    verify_bundle.py BUNDLE [--key KEY]... [--witness KEY]... [--pasted FILE]... [--require L0|L1|L2] [--signed FOLDER]

Exit code: 0 holds, 10 nothing was changed but less is proven than was asked for, 20 tampered, 30 malformed.
docs/audit.md describes the format, line by line.
"""
import argparse, base64, binascii, hashlib, json, os, sys
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ORDER = ["run", "key", "rotations", "plan", "frame", "other", "earlier", "checkpoint"]
REPEATED = {"frame", "other", "earlier"}


class Malformed(Exception):
    pass


class Tampered(Exception):
    pass


def need(condition, text, error=Tampered):
    if not condition:
        raise error(text)


def wish(weak, condition, text):
    """Nothing speaks against the bundle, but less is proven than was asked for."""
    if not condition:
        weak.append(text)


def b64(text):
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("not base64")
    need(base64.b64encode(raw).decode() == text, "not the one form of base64", Malformed)
    return raw


def number(text):
    need(text.isascii() and text.isdigit() and str(int(text)) == text, f"{text} is no number", Malformed)
    return int(text)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def crc32c(data, table=[]):
    if not table:
        for byte in range(256):
            for _ in range(8):
                byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
            table.append(byte)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


class Key:
    """A public key, `name+id+base64(kind, key)`: kind 1 signs a log, kind 4 is a witness."""

    def __init__(self, text):
        parts = text.strip().split("+", 2)
        need(len(parts) == 3, "no public key", Malformed)
        self.text, self.name, raw = text.strip(), parts[0], b64(parts[2])
        need(len(raw) == 33 and raw[0] in (1, 4), "no public key", Malformed)
        self.kind, self.key = raw[0], Ed25519PublicKey.from_public_bytes(raw[1:])
        self.id = sha(self.name.encode(), b"\n", raw)[:4]
        need(self.id.hex() == parts[1], "no public key", Malformed)

    def signed(self, note):
        """Whether the key has signed; a signature that is there and wrong is worse than none."""
        found = False
        for name, blob in note["signatures"]:
            if name != self.name or blob[:4] != self.id:
                continue
            text, signature = note["text"].encode(), blob[4:]
            if self.kind == 4:
                text = b"cosignature/v1\ntime %d\n" % int.from_bytes(signature[:8], "big") + text
                signature = signature[8:]
            try:
                self.key.verify(signature, text)
            except InvalidSignature:
                raise Tampered(f"a signature of {self.name} does not fit")
            found = True
        return found


def note(raw):
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise Malformed("a note is text")
    at = text.rfind("\n\n")
    need(at >= 0 and text.endswith("\n") and not any(c < " " and c != "\n" for c in text), "no signed note", Malformed)
    signatures = []
    for line in text[at + 2 : -1].split("\n"):
        words = line.split(" ")
        need(len(words) == 3 and words[0] == "\u2014" and len(b64(words[2])) > 4, "no signature", Malformed)
        signatures.append((words[1], b64(words[2])))
    return {"text": text[: at + 1], "signatures": signatures}


def checkpoint(text):
    lines = text.split("\n")
    need(len(lines) >= 3, "no checkpoint", Malformed)
    root = b64(lines[2].strip())
    need(len(root) == 32, "no checkpoint", Malformed)
    return lines[0].strip(), number(lines[1].strip()), root


def split(leaves):
    return 1 << (leaves - 1).bit_length() - 1


def root_with(known, low, high, others):
    """The root of the leaves low to high, from those that are known and the hashes of the parts without any."""
    if not known:
        need(others, "hashes of other leaves are missing")
        return others.pop(0)
    if high - low == 1:
        return known[0][1]
    middle = low + split(high - low)
    left = root_with([k for k in known if k[0] < middle], low, middle, others)
    return sha(b"\1", left, root_with([k for k in known if k[0] >= middle], middle, high, others))


def consistent(old, new, proof, old_root, new_root):
    """RFC 9162, 2.1.4.2."""
    if old == new or old == 0:
        return not proof and (old_root == new_root if old == new else old_root == sha())
    proof = ([] if old & old - 1 else [old_root]) + proof
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    if not proof:
        return False
    first = second = proof[0]
    for part in proof[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = sha(b"\1", part, first), sha(b"\1", part, second)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            second = sha(b"\1", second, part)
        place, last = place >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def parse(data):
    need(data.startswith(b"pointsman-bundle v1\n") and data.endswith(b"\nend\n"), "no bundle", Malformed)
    try:
        lines = data[20:-5].decode().split("\n")
    except UnicodeDecodeError:
        raise Malformed("a bundle is text")
    parts, last = {word: [] for word in ORDER}, None
    for line in lines:
        word, _, rest = line.partition(" ")
        kind = "frame" if word == "withheld" else word
        need(kind in ORDER, f"unknown line {word}", Malformed)
        step = ORDER.index(kind) - (ORDER.index(last) if last else -1)
        need(step > 0 or step == 0 and kind in REPEATED, f"{word} stands in the wrong place", Malformed)
        parts[kind].append((word, rest.split(" ")))
        last = kind
    need(all(len(parts[word]) for word in ("run", "key", "frame", "checkpoint")), "lines are missing", Malformed)
    return parts


def frame(raw, seq, seen):
    """Whether a record is whole and follows from the one before; gives what it says."""
    little = lambda at, size: int.from_bytes(raw[at : at + size], "little")
    need(len(raw) >= 100 and raw[:8] == b"\xffPMFRM\x01\n" and crc32c(raw[12:92]) == little(8, 4), f"record {seq}: header")
    payload = raw[92:-8]
    whole = len(payload) == little(12, 4) == little(len(raw) - 8, 4) and raw[-4:] == b"PME\xfe"
    need(whole and crc32c(payload) == little(88, 4), f"record {seq} is not whole")
    need(little(16, 8) == seq, f"record {seq} says another number")
    need(seen.setdefault("nonce", raw[40:56]) == raw[40:56], f"record {seq} belongs to another run")
    previous = bytes(32) if seq == 1 else seen["previous"]
    need(previous is None or raw[56:88] == previous, f"record {seq} does not carry the hash of the one before it")
    need(seen.get("epoch", 1) <= little(32, 8), f"the epoch of record {seq} is lower than the one before it")
    seen["epoch"] = little(32, 8)
    return json.loads(payload)


def verify(data, keys=(), witnesses=(), pasted=(), require=0, signed=None):
    parts, weak = parse(data), []
    leaves, seen, outcome = [], {"previous": None}, None
    for seq, (word, (index, code)) in enumerate(parts["frame"], 1):
        raw = b64(code)
        leaves.append((number(index), raw if word == "withheld" else sha(b"\0", raw)))
        seen["previous"] = None if word == "withheld" else seen["previous"]
        if word == "frame":
            event = frame(raw, seq, seen)["event"]
            if signed is not None and isinstance(event.get("by"), dict) and event["by"].get("by", {}).get("statement"):
                signed.append((seq, event["by"]["by"]))
            seen["previous"] = sha(raw)
            need((event["type"] == "run_started") == (seq == 1), "record 1, and no other, starts the run")
            if seq == 1:
                need([event["run"]] == parts["run"][0][1], "the bundle is of another run")
                for plan in (b64(rest[0]) for _, rest in parts["plan"]):
                    need(event["plan"] == "sha256:" + sha(plan).hex(), "the plan is another")
                    require = max(require, int((json.loads(plan).get("witness") or {"level": "L0"})["level"][1]))
            outcome = {"run_ended": event.get("outcome"), "run_reopened": None}.get(event["type"], outcome)
    wish(weak, outcome, "no record ends the run")
    text = note(b64(parts["checkpoint"][0][1][0]))
    origin, size, root = checkpoint(text["text"])
    need([i for i, _ in leaves] == sorted({i for i, _ in leaves}) and leaves[-1][0] < size, "the places do not fit")
    others = [b64(rest[0]) for _, rest in parts["other"]]
    need(root_with(leaves, 0, size, others) == root and not others, "the records do not lead to the root of the log")
    key = Key(parts["key"][0][1][0])
    need(key.kind == 1 and key.name == origin and key.signed(text), "the checkpoint is not signed by the key of the bundle")
    follows, signers = [{k.text} for k in keys], [key]
    statements = b64(parts["rotations"][0][1][0]).decode().split("pointsman key rotation v1\n")[1:] if parts["rotations"] else []
    for statement in statements:
        said = note(("pointsman key rotation v1\n" + statement).encode())
        old, new = (Key(line.split(" ")[1]) for line in said["text"].split("\n")[1:3])
        need(old.signed(said) and new.signed(said) and old.name == new.name, "a key rotation is not signed by both keys")
        signers += [old, new]
        for known in follows:
            known.update({new.text} if old.text in known else ())
    wish(weak, keys, "no --key was given")
    need(not keys or any(key.text in known for known in follows), "the key is not the one that was given")
    level, shown = 0, [(text, size, root)]
    for _, (code, proof) in parts["earlier"]:
        old = note(b64(code))
        old_origin, old_size, old_root = checkpoint(old["text"])
        hashes = [b64(proof)[at : at + 32] for at in range(0, len(b64(proof)), 32)]
        fits = old_origin == origin and old_size <= size and consistent(old_size, size, hashes, old_root, root)
        need(fits, "the log does not begin with what was signed before")
        need(any(signer.signed(old) for signer in signers), "an earlier checkpoint is not signed by a key of this log")
        shown.append((old, old_size, old_root))
    for old, old_size, old_root in shown:
        whole = old_size > leaves[-1][0]
        if any(witness.kind == 4 and witness.signed(old) for witness in witnesses) and whole:
            level = 2
        for known_origin, known_size, known_root in pasted:
            if (known_origin, known_size) == (origin, old_size):
                need(known_root == old_root, "the ticket has another root: the log was forked")
                level = max(level, 1) if whole else level
    wish(weak, all(known[1] in [s for _, s, _ in shown] for known in pasted), "a pasted checkpoint is not shown")
    wish(weak, level >= require, f"L{level}, and L{require} is asked for")
    return weak, f"{len(leaves)} records, the run ended: {outcome}, a log of {size} entries, level L{level}"


def included(leaf, index, size, proof):
    """The root that a leaf leads to; RFC 9162, 2.1.3.2."""
    place, last = index, size - 1
    for part in proof:
        need(last > 0, "the proof is too long")
        if place & 1 or place == last:
            leaf = sha(b"\1", part, leaf)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            leaf = sha(b"\1", leaf, part)
        place, last = place >> 1, last >> 1
    need(last == 0, "the proof is too short")
    return leaf


def verify_proof(data, keys=(), witnesses=(), pasted=(), require=0):
    """The proof of one record: c2sp.org/tlog-proof, with the record in its extra line."""
    head, _, rest = data.partition(b"\n\n")
    lines, weak = head.decode().split("\n"), []
    title = lines[0] == "c2sp.org/tlog-proof@v1"
    need(title and len(lines) > 2 and lines[1].startswith("extra ") and lines[2].startswith("index "), "no proof", Malformed)
    raw, index, proof = b64(lines[1][6:]), number(lines[2][6:]), [b64(line) for line in lines[3:]]
    need(len(proof) <= 63 and all(len(part) == 32 for part in proof), "no proof", Malformed)
    text = note(rest)
    origin, size, root = checkpoint(text["text"])
    seq = int.from_bytes(raw[16:24], "little")
    event = frame(raw, seq, {"previous": None})["event"]["type"]
    need(index < size and included(sha(b"\0", raw), index, size, proof) == root, "the record does not lead to the root")
    signed = any(key.kind == 1 and key.name == origin and key.signed(text) for key in keys)
    wish(weak, keys, "no --key was given")
    need(signed or not keys, "the checkpoint is not signed by the key that was given")
    level = 2 if any(witness.kind == 4 and witness.signed(text) for witness in witnesses) else 0
    for known_origin, known_size, known_root in pasted:
        if (known_origin, known_size) == (origin, size):
            need(known_root == root, "the ticket has another root: the log was forked")
            level = max(level, 1)
    wish(weak, all(known[1] == size for known in pasted), "a pasted checkpoint is not shown")
    wish(weak, level >= require, f"L{level}, and L{require} is asked for")
    return weak, f"record {seq}, {event}, is entry {index} of a log of {size} entries, level L{level}"


def main():
    arguments = argparse.ArgumentParser(description="Verifies a bundle of Pointsman.")
    arguments.add_argument("bundle")
    for name in ("--key", "--witness", "--pasted"):
        arguments.add_argument(name, action="append", default=[])
    arguments.add_argument("--require", choices=["L0", "L1", "L2"], default="L0")
    arguments.add_argument("--signed", metavar="FOLDER", help="write signed decisions there, for `ssh-keygen -Y verify`")
    given, signed = arguments.parse_args(), []
    try:
        keys, witnesses = ([Key(text) for text in texts] for texts in (given.key, given.witness))
        pasted = [checkpoint(open(file, encoding="utf-8").read().lstrip()) for file in given.pasted]
        with open(given.bundle, "rb") as file:
            data, more = file.read(), (keys, witnesses, pasted, int(given.require[1]))
        if data.startswith(b"c2sp.org/tlog-proof@v1\n"):
            weak, text = verify_proof(data, *more)
        else:
            weak, text = verify(data, *more, signed)
    except Tampered as error:
        print(f"tampered: {error}")
        return 20
    except (Malformed, ValueError, KeyError, IndexError) as error:
        print(f"malformed: {error}")
        return 30
    for seq, by in signed if given.signed else ():
        os.makedirs(given.signed, exist_ok=True)
        for name, text in (("statement", by["statement"]), ("statement.sig", by["signature"])):
            with open(os.path.join(given.signed, f"{seq}.{name}"), "w", encoding="utf-8", newline="") as file:
                file.write(text)
    print(f"{'weaker: ' + '; '.join(weak) if weak else 'holds'}: {text}")
    return 10 if weak else 0


if __name__ == "__main__":
    sys.exit(main())
