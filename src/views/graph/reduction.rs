//! Lines that say nothing new are left out: who waits for the last waits for all before it.

/// A plan with more steps than this is drawn with every line; the sets would take too much room.
const LARGEST: usize = 8_192;

/// For each node the direct needs that no other need of it implies. A need has a smaller number than its node.
pub(super) fn reduced(before: &[Vec<usize>]) -> Vec<Vec<usize>> {
    if before.len() > LARGEST {
        return before.to_vec();
    }
    let words = before.len().div_ceil(64);
    let mut implied: Vec<Vec<u64>> = Vec::with_capacity(before.len());
    let mut kept = Vec::with_capacity(before.len());
    for needs in before {
        let mut needs = needs.clone();
        needs.sort_unstable();
        needs.dedup();
        let mut all = vec![0_u64; words];
        let mut direct = Vec::new();
        // The latest first: whatever it implies stands before it.
        for need in needs.into_iter().rev() {
            if all[need / 64] & (1 << (need % 64)) == 0 {
                direct.push(need);
                all[need / 64] |= 1 << (need % 64);
                all.iter_mut().zip(&implied[need]).for_each(|(own, others)| *own |= others);
            }
        }
        direct.reverse();
        kept.push(direct);
        implied.push(all);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_is_not_drawn() {
        assert_eq!(reduced(&[vec![], vec![0], vec![0, 1], vec![0, 2]]), [vec![], vec![0], vec![1], vec![2]]);
        assert_eq!(reduced(&[vec![], vec![], vec![0, 1]]), [vec![], vec![], vec![0, 1]]);
    }
}
