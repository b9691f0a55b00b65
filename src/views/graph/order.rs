//! The order in each layer: every item near the middle of its neighbours, so that few lines cross.

use super::layers::Layers;

/// How often the layers are walked down and up again.
const WALKS: usize = 6;

/// Orders every layer.
pub(super) fn untangle(layers: &mut Layers) {
    let mut place = vec![0_usize; layers.items.len()];
    for row in &layers.rows {
        note(&mut place, row);
    }
    let mut best = (crossings(layers, &place), layers.rows.clone());
    for walk in 0..WALKS {
        let down = walk % 2 == 0;
        let depth = layers.rows.len();
        for step in 0..depth {
            let at = if down { step } else { depth - 1 - step };
            let neighbours = if down { &layers.above } else { &layers.below };
            let mut row: Vec<(f64, usize, usize)> = layers.rows[at]
                .iter()
                .map(|item| (middle(&neighbours[*item], &place, place[*item]), place[*item], *item))
                .collect();
            row.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            layers.rows[at] = row.into_iter().map(|(_, _, item)| item).collect();
            note(&mut place, &layers.rows[at]);
        }
        let found = crossings(layers, &place);
        if found < best.0 {
            best = (found, layers.rows.clone());
        }
    }
    layers.rows = best.1;
}

fn note(place: &mut [usize], row: &[usize]) {
    row.iter().enumerate().for_each(|(at, item)| place[*item] = at);
}

fn middle(neighbours: &[usize], place: &[usize], own: usize) -> f64 {
    if neighbours.is_empty() {
        return own as f64;
    }
    neighbours.iter().map(|item| place[*item] as f64).sum::<f64>() / neighbours.len() as f64
}

/// How many lines cross, counted between neighbouring layers: inversions among the lower ends, by a tree of counts.
fn crossings(layers: &Layers, place: &[usize]) -> u64 {
    let mut all = 0;
    for (at, row) in layers.rows.iter().enumerate() {
        let width = layers.rows.get(at + 1).map_or(0, Vec::len);
        let mut counts = vec![0_u64; width + 1];
        let mut seen = 0;
        for item in row {
            let mut ends: Vec<usize> = layers.below[*item].iter().map(|lower| place[*lower]).collect();
            ends.sort_unstable();
            all += ends.iter().map(|end| seen - up_to(&counts, *end + 1)).sum::<u64>();
            for end in ends {
                add(&mut counts, end + 1);
                seen += 1;
            }
        }
    }
    all
}

fn up_to(counts: &[u64], mut at: usize) -> u64 {
    let mut sum = 0;
    while at > 0 {
        sum += counts[at];
        at &= at - 1;
    }
    sum
}

fn add(counts: &mut [u64], mut at: usize) {
    while at < counts.len() {
        counts[at] += 1;
        at += at & at.wrapping_neg();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_crossed_chains_are_untangled() {
        // Two roots whose children stand the wrong way round.
        let mut layers = Layers::of(&[vec![], vec![], vec![1], vec![0]]);
        let place = vec![0, 1, 0, 1];
        assert_eq!(crossings(&layers, &place), 1);
        untangle(&mut layers);
        let mut place = vec![0; 4];
        layers.rows.iter().for_each(|row| note(&mut place, row));
        assert_eq!(crossings(&layers, &place), 0);
    }
}
