//! Columns: each item as near to its neighbours as the items beside it allow.

use super::drawing::{GAP_X, NODE_WIDTH};
use super::layers::{Item, Layers};

/// The most nodes side by side; a wider layer takes several rows.
pub(super) const ABREAST: usize = 6;

/// How often the columns are drawn towards what is above and below.
const WALKS: usize = 6;

/// Rows of items: a layer, or a part of one that is too wide. With each item its centre, from 0.
pub(super) fn columns(layers: &Layers) -> (Vec<Vec<Vec<usize>>>, Vec<i32>) {
    let rows: Vec<Vec<Vec<usize>>> = layers.rows.iter().map(|row| split(layers, row)).collect();
    let mut centre = vec![0.0; layers.items.len()];
    for row in rows.iter().flatten() {
        let mut x = 0.0;
        let mut before = None;
        for item in row {
            x += before.map_or(0.0, |other| apart(layers, other, *item));
            centre[*item] = x;
            before = Some(*item);
        }
        let half = x / 2.0;
        row.iter().for_each(|item| centre[*item] -= half);
    }
    for walk in 0..WALKS {
        let neighbours = if walk % 2 == 0 { &layers.above } else { &layers.below };
        let walked: Vec<&Vec<usize>> =
            if walk % 2 == 0 { rows.iter().flatten().collect() } else { rows.iter().flatten().rev().collect() };
        for row in walked {
            let wished: Vec<f64> = row.iter().map(|item| mean(&neighbours[*item], &centre).unwrap_or(centre[*item])).collect();
            for (item, x) in row.iter().zip(settle(layers, row, &wished)) {
                centre[*item] = x;
            }
        }
    }
    let least = layers.items.iter().zip(&centre).map(|(item, x)| x - half(*item)).fold(f64::INFINITY, f64::min);
    let least = if least.is_finite() { least } else { 0.0 };
    (rows, centre.iter().map(|x| (x - least).round() as i32).collect())
}

/// A layer in rows of at most [`ABREAST`] nodes; what only crosses it stays in the first.
fn split(layers: &Layers, row: &[usize]) -> Vec<Vec<usize>> {
    let is_node = |item: &usize| matches!(layers.items[*item], Item::Node(_));
    let nodes: Vec<usize> = row.iter().copied().filter(is_node).collect();
    if nodes.len() <= ABREAST {
        return vec![row.to_vec()];
    }
    let per_row = nodes.len().div_ceil(nodes.len().div_ceil(ABREAST));
    let mut parts: Vec<Vec<usize>> = nodes.chunks(per_row).map(<[usize]>::to_vec).collect();
    let crossings = row.iter().copied().filter(|item| !is_node(item));
    parts[0].extend(crossings);
    parts
}

fn mean(neighbours: &[usize], centre: &[f64]) -> Option<f64> {
    (!neighbours.is_empty()).then(|| neighbours.iter().map(|item| centre[*item]).sum::<f64>() / neighbours.len() as f64)
}

fn half(item: Item) -> f64 {
    match item {
        Item::Node(_) => f64::from(NODE_WIDTH) / 2.0,
        Item::Crossing => 4.0,
    }
}

/// How far apart the centres of two neighbours are at least.
fn apart(layers: &Layers, left: usize, right: usize) -> f64 {
    half(layers.items[left]) + half(layers.items[right]) + f64::from(GAP_X)
}

/// The centres nearest to the wished ones that keep the order and the distances: neighbours that push each other move as one.
fn settle(layers: &Layers, row: &[usize], wished: &[f64]) -> Vec<f64> {
    let mut offset = Vec::with_capacity(row.len());
    let mut sum = 0.0;
    for (at, item) in row.iter().enumerate() {
        sum += if at == 0 { 0.0 } else { apart(layers, row[at - 1], *item) };
        offset.push(sum);
    }
    // Without the distances the wishes only have to rise: pool what falls.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (wish, distance) in wished.iter().zip(&offset) {
        let mut pool = (wish - distance, 1);
        while let Some((mean, count)) = pools.last().copied().filter(|(mean, _)| *mean > pool.0) {
            pool = ((mean * count as f64 + pool.0 * pool.1 as f64) / (count + pool.1) as f64, count + pool.1);
            pools.pop();
        }
        pools.push(pool);
    }
    let level = pools.into_iter().flat_map(|(mean, count)| std::iter::repeat_n(mean, count));
    level.zip(offset).map(|(mean, distance)| mean + distance).collect()
}
