//! Shares as weights: whole numbers from 0 to 256 that come closest to a percentage.

use super::server::{Server, Setting};
use crate::model::Percent;

/// The greatest weight. The smallest share of one server beside one other is 1 of 257, 0.39 %.
const MOST: u32 = 256;
/// How far a share may be from what was asked, as a part of it: 1 % may be 1.16 %, and 0.1 % is refused.
const TOLERANCE: f64 = 0.2;
/// So close, and the weights of the old side stay as they are.
const CLOSE: f64 = 0.05;

/// The weights of two sides of a backend.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Split {
    pub(super) old: Vec<u32>,
    pub(super) new: Vec<u32>,
    /// The share of the new side that these weights give.
    pub(super) share: f64,
}

/// The weights of the new side once it takes everything: the configured ones. A configured 0 gets the greatest configured
/// weight of the backend, because it would stay without traffic; 100 where all are 0.
pub(super) fn whole(new: &[&Server], all: &[Server]) -> Vec<u32> {
    let greatest = all.iter().map(|server| server.initial).max().filter(|weight| *weight > 0).unwrap_or(100);
    new.iter().map(|server| if server.initial == 0 { greatest } else { server.initial }).collect()
}

/// The weights of the old side before: what it has, or what it was configured with where it has none.
pub(super) fn base(old: &[&Server], saved: &[Setting]) -> Vec<u32> {
    let before = |server: &&Server| saved.iter().find(|s| s.name == server.setting.name).map_or(0, |s| s.weight);
    let now: Vec<_> = old.iter().map(before).collect();
    if now.iter().any(|weight| *weight > 0) {
        return now;
    }
    let configured: Vec<_> = old.iter().map(|server| server.initial).collect();
    if configured.iter().any(|weight| *weight > 0) { configured } else { vec![1; old.len()] }
}

/// The weights that give the new side `share`; none where whole weights cannot come near it.
pub(super) fn split(old: &[u32], new: &[u32], share: Percent) -> Option<Split> {
    let wanted = share.as_fraction();
    if share == Percent::ALL || old.is_empty() {
        return Some(Split { old: vec![0; old.len()], new: new.to_vec(), share: 1.0 });
    }
    let error = |split: &Split| (split.share - wanted).abs() / wanted;
    let greatest = old.iter().copied().max().unwrap_or(1);
    let unchanged = (1..=MOST).map(|top| Split::of(old.to_vec(), scaled(new, top)));
    let best = unchanged.min_by(|a, b| error(a).total_cmp(&error(b))).filter(|split| greatest > 0 && error(split) <= CLOSE);
    if best.is_some() {
        return best;
    }
    // From the greatest down: of two that are as good, the greater one keeps the proportions inside a side better.
    let candidates = (1..=MOST).rev().flat_map(|a| (1..=MOST).rev().map(move |b| (a, b)));
    let splits = candidates.map(|(a, b)| Split::of(scaled(old, a), scaled(new, b)));
    splits.min_by(|a, b| error(a).total_cmp(&error(b))).filter(|split| error(split) <= TOLERANCE)
}

impl Split {
    fn of(old: Vec<u32>, new: Vec<u32>) -> Self {
        let (a, b) = (old.iter().sum::<u32>(), new.iter().sum::<u32>());
        Self { share: f64::from(b) / f64::from((a + b).max(1)), old, new }
    }
}

/// `weights` in proportion, the greatest of them `top`. None but a 0 becomes 0.
fn scaled(weights: &[u32], top: u32) -> Vec<u32> {
    let greatest = weights.iter().copied().max().unwrap_or(1).max(1);
    weights.iter().map(|weight| if *weight == 0 { 0 } else { ((weight * top + greatest / 2) / greatest).max(1) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(old: &[u32], new: &[u32], text: &str) -> Option<Split> {
        split(old, new, Percent::parse(text).expect("a percentage"))
    }

    #[test]
    fn the_old_side_keeps_its_weights_where_that_is_close() {
        let one = share(&[100], &[100], "1%").expect("1 of 101 is near 1 %");
        assert_eq!((one.old, one.new), (vec![100], vec![1]));
        let ten = share(&[100], &[100], "10%").expect("11 of 111");
        assert_eq!((ten.old, ten.new), (vec![100], vec![11]));
        let half = share(&[100, 50], &[100, 50], "50%").expect("even");
        assert_eq!((half.old, half.new), (vec![100, 50], vec![100, 50]));
    }

    #[test]
    fn the_smallest_step_is_one_of_257_and_finer_is_refused() {
        let one = share(&[1], &[1], "0.389%").expect("1 of 257");
        assert_eq!((one.old, one.new), (vec![256], vec![1]));
        assert_eq!(share(&[1], &[1], "0.01%"), None);
        assert_eq!(share(&[100], &[100], "0.3%"), None);
    }

    #[test]
    fn everything_leaves_nothing_on_the_old_side() {
        let all = share(&[7, 3], &[4], "100%").expect("all");
        assert_eq!((all.old, all.new), (vec![0, 0], vec![4]));
    }

    #[test]
    fn every_whole_percentage_is_near_and_no_side_is_without_weight() {
        for percent in 1..100 {
            let found = share(&[1], &[1], &format!("{percent}%")).expect("near");
            let error = (found.share * 100.0 - f64::from(percent)).abs() / f64::from(percent);
            assert!(error <= TOLERANCE && found.old[0] > 0 && found.new[0] > 0, "{percent}: {found:?}");
        }
    }
}
