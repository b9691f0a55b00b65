//! The Merkle tree of RFC 6962 over leaf hashes: roots, inclusion and consistency proofs, and proofs of many leaves at once.
//!
//! It keeps the hash of every complete subtree, so that an append is a few hashes and a proof of any size of the past is made
//! from what is there. The verifying functions need no tree.

use sha2::{Digest as _, Sha256};

use crate::model::Digest;

/// The hash of a leaf: the entry's bytes as they are stored, behind a byte that no inner node has.
pub fn leaf_hash(entry: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
}

/// The hash of an inner node.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let hash = Sha256::new().chain_update([1]).chain_update(left.as_bytes()).chain_update(right.as_bytes());
    Digest::from_bytes(hash.finalize().into())
}

/// The root of a tree without leaves.
pub fn empty_root() -> Digest {
    Digest::of(b"")
}

/// A growing tree.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tree {
    /// `levels[h][i]` is the root of the leaves `i·2^h` to `(i+1)·2^h`, where all of them are there.
    levels: Vec<Vec<Digest>>,
}

impl Tree {
    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Digest) {
        let mut hash = leaf;
        for height in 0.. {
            if self.levels.len() == height {
                self.levels.push(Vec::new());
            }
            let level = &mut self.levels[height];
            level.push(hash);
            match level.as_slice() {
                [.., left, right] if level.len().is_multiple_of(2) => hash = node_hash(left, right),
                _ => return,
            }
        }
    }

    /// The leaf at `index`.
    pub fn leaf(&self, index: u64) -> Option<Digest> {
        self.levels.first()?.get(usize::try_from(index).ok()?).copied()
    }

    /// The root of all leaves.
    pub fn root(&self) -> Digest {
        self.range(0, self.size())
    }

    /// The root of the first `size` leaves; `None` when there are fewer.
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        (size <= self.size()).then(|| self.range(0, size))
    }

    /// The proof that the leaf `index` is in the tree of the first `size` leaves; `None` when it is not.
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Digest>> {
        if index >= size || size > self.size() {
            return None;
        }
        let (mut proof, mut low, mut high) = (Vec::new(), 0, size);
        while high - low > 1 {
            let middle = low + split(high - low);
            if index < middle {
                proof.push(self.range(middle, high));
                high = middle;
            } else {
                proof.push(self.range(low, middle));
                low = middle;
            }
        }
        proof.reverse();
        Some(proof)
    }

    /// The proof that the first `old` leaves are the beginning of the first `new` ones; `None` when there are fewer.
    pub fn consistency(&self, old: u64, new: u64) -> Option<Vec<Digest>> {
        if old > new || new > self.size() {
            return None;
        }
        let mut proof = Vec::new();
        if old == 0 || old == new {
            return Some(proof);
        }
        let (mut low, mut high) = (0, new);
        // Whether the part in view begins at leaf 0: its root is what the verifier has already.
        let mut known = true;
        while old != high {
            let middle = low + split(high - low);
            if old <= middle {
                proof.push(self.range(middle, high));
                high = middle;
            } else {
                proof.push(self.range(low, middle));
                low = middle;
                known = false;
            }
        }
        if !known {
            proof.push(self.range(low, high));
        }
        proof.reverse();
        Some(proof)
    }

    /// The hashes that somebody needs who has the leaves at the places `known` (rising) to compute the root of the first
    /// `size` leaves: one for each largest part without a known leaf, from left to right.
    pub fn others(&self, known: &[u64], size: u64) -> Option<Vec<Digest>> {
        if size > self.size() || known.last().is_some_and(|last| *last >= size) || !rises(known.iter()) {
            return None;
        }
        let mut others = Vec::new();
        self.gather(known, 0, size, &mut others);
        Some(others)
    }

    fn gather(&self, known: &[u64], low: u64, high: u64, others: &mut Vec<Digest>) {
        if known.is_empty() {
            if high > low {
                others.push(self.range(low, high));
            }
        } else if known.len() as u64 != high - low {
            let middle = low + split(high - low);
            let at = known.partition_point(|index| *index < middle);
            self.gather(&known[..at], low, middle, others);
            self.gather(&known[at..], middle, high, others);
        }
    }

    /// The root of the leaves `low` to `high`, a part of the tree as RFC 6962 divides it.
    fn range(&self, low: u64, high: u64) -> Digest {
        let leaves = high - low;
        if leaves == 0 {
            return empty_root();
        }
        if leaves.is_power_of_two() && low.is_multiple_of(leaves) {
            let height = leaves.trailing_zeros() as usize;
            let place = usize::try_from(low >> height).expect("invariant: the leaves are in memory");
            return self.levels[height][place];
        }
        let middle = low + split(leaves);
        node_hash(&self.range(low, middle), &self.range(middle, high))
    }
}

impl Extend<Digest> for Tree {
    fn extend<I: IntoIterator<Item = Digest>>(&mut self, leaves: I) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}

/// The largest power of two below `leaves`, which is 2 or more.
const fn split(leaves: u64) -> u64 {
    1 << (u64::BITS - 1 - (leaves - 1).leading_zeros())
}

fn rises<'i>(known: impl Iterator<Item = &'i u64> + Clone) -> bool {
    known.clone().zip(known.skip(1)).all(|(one, next)| one < next)
}

/// Whether `proof` shows that `leaf` stands at `index` of the tree of `size` leaves with this root.
pub fn inclusion_holds(leaf: Digest, index: u64, size: u64, proof: &[Digest], root: Digest) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(sibling, &hash);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && hash == root
}

/// Whether `proof` shows that the tree of `old` leaves is the beginning of the tree of `new` leaves.
pub fn consistency_holds(old: u64, old_root: Digest, new: u64, new_root: Digest, proof: &[Digest]) -> bool {
    if old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    if old == 0 {
        return proof.is_empty() && old_root == empty_root();
    }
    let (mut first, rest) = match proof.split_first() {
        _ if old.is_power_of_two() => (old_root, proof),
        Some((first, rest)) => (*first, rest),
        None => return false,
    };
    let mut second = first;
    let (mut place, mut last) = (old - 1, new - 1);
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    for hash in rest {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            first = node_hash(hash, &first);
            second = node_hash(hash, &second);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            second = node_hash(&second, hash);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && first == old_root && second == new_root
}

/// The root of a tree of `size` leaves of which some are known (rising by place), with what [`Tree::others`] gave; `None` when
/// these do not fit together.
pub fn root_with(known: &[(u64, Digest)], size: u64, others: &[Digest]) -> Option<Digest> {
    fn root(known: &[(u64, Digest)], low: u64, high: u64, others: &mut std::slice::Iter<'_, Digest>) -> Option<Digest> {
        match known {
            [] => others.next().copied(),
            [(_, leaf)] if high - low == 1 => Some(*leaf),
            _ => {
                let middle = low + split(high - low);
                let at = known.partition_point(|(index, _)| *index < middle);
                let left = root(&known[..at], low, middle, others)?;
                Some(node_hash(&left, &root(&known[at..], middle, high, others)?))
            }
        }
    }
    if known.last().is_some_and(|(last, _)| *last >= size) || !rises(known.iter().map(|(index, _)| index)) {
        return None;
    }
    if size == 0 {
        return others.is_empty().then(empty_root);
    }
    let mut others = others.iter();
    let root = root(known, 0, size, &mut others)?;
    others.next().is_none().then_some(root)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use proptest::prelude::*;

    use super::*;

    /// The definition of RFC 6962, word for word.
    fn naive(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(usize::try_from(split(leaves.len() as u64)).unwrap());
                node_hash(&naive(left), &naive(right))
            }
        }
    }

    fn hex(digest: &Digest) -> String {
        digest.to_string().trim_start_matches("sha256:").to_owned()
    }

    fn tree_of(leaves: &[Digest]) -> Tree {
        let mut tree = Tree::default();
        tree.extend(leaves.iter().copied());
        tree
    }

    /// The entries and hashes that Certificate Transparency's own implementations test themselves on.
    #[test]
    fn the_published_vectors() {
        let entries: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut tree = Tree::default();
        assert_eq!(hex(&tree.root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        for (entry, root) in entries.iter().zip(roots) {
            tree.push(leaf_hash(entry));
            assert_eq!(hex(&tree.root()), root, "the tree of {} leaves", tree.size());
        }
        let proof: Vec<String> = tree.inclusion(5, 8).unwrap().iter().map(hex).collect();
        assert_eq!(
            proof,
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
        let proof: Vec<String> = tree.consistency(6, 8).unwrap().iter().map(hex).collect();
        assert_eq!(
            proof,
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
    }

    #[test]
    fn every_proof_of_every_small_tree_holds_and_no_other() {
        let leaves: Vec<Digest> = (0_u8..33).map(|n| leaf_hash(&[n])).collect();
        let tree = tree_of(&leaves);
        let mut refused = 0;
        for size in 1..=33_u64 {
            let root = tree.root_at(size).unwrap();
            assert_eq!(root, naive(&leaves[..usize::try_from(size).unwrap()]));
            for index in 0..size {
                let proof = tree.inclusion(index, size).unwrap();
                let leaf = tree.leaf(index).unwrap();
                assert!(inclusion_holds(leaf, index, size, &proof, root));
                for other in (0..size).filter(|other| *other != index) {
                    assert!(!inclusion_holds(leaf, other, size, &proof, root));
                    refused += 1;
                }
            }
            for old in 0..=size {
                let proof = tree.consistency(old, size).unwrap();
                let old_root = tree.root_at(old).unwrap();
                assert!(consistency_holds(old, old_root, size, root, &proof), "{old} to {size}");
                for wrong in (0..=size).filter(|wrong| *wrong != old) {
                    assert!(!consistency_holds(wrong, old_root, size, root, &proof), "{old} as {wrong} to {size}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 10_000);
    }

    proptest! {
        #[test]
        fn some_known_leaves_and_the_others_make_the_root(count in 1_u64..600, chosen in proptest::collection::btree_set(0_u64..600, 0..40)) {
            let leaves: Vec<Digest> = (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            let tree = tree_of(&leaves);
            let known: Vec<u64> = chosen.into_iter().filter(|index| *index < count).collect();
            let others = tree.others(&known, count).unwrap();
            let mut with: Vec<(u64, Digest)> = known.iter().map(|index| (*index, tree.leaf(*index).unwrap())).collect();
            prop_assert_eq!(root_with(&with, count, &others), Some(naive(&leaves)));
            if let Some(one) = with.first_mut() {
                one.1 = leaf_hash(b"another");
                prop_assert_ne!(root_with(&with, count, &others), Some(naive(&leaves)));
            }
            if let Some((_, less)) = others.split_last() {
                prop_assert_eq!(root_with(&with, count, less), None);
            }
        }
    }
}
