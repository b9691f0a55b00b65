//! A graph of steps: an order that every reader can predict, its cycles in full, and who comes before whom.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::OnceLock;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// Nodes `0..count` with what each needs.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    needs: Vec<Vec<usize>>,
    /// The nodes in topological order; nodes of a cycle, and those behind one, are missing.
    order: Vec<usize>,
    /// The position of each node in `order`.
    position: Vec<Option<usize>>,
    /// Who comes before whom, made when it is first asked for.
    table: OnceLock<Vec<u64>>,
}

/// A table of this many nodes has 50 MB.
const LARGEST_TABLE: usize = 20_000;

impl Graph {
    /// The graph in which node `n` needs the nodes `needs[n]`.
    ///
    /// The order is the written one wherever `needs` leaves a choice.
    pub fn new(needs: Vec<Vec<usize>>) -> Self {
        let count = needs.len();
        let mut waiting = vec![0_usize; count];
        let mut dependents = vec![Vec::new(); count];
        for (node, needed) in needs.iter().enumerate() {
            waiting[node] = needed.len();
            for &need in needed {
                dependents[need].push(node);
            }
        }
        let mut ready: BinaryHeap<Reverse<usize>> = (0..count).filter(|&node| waiting[node] == 0).map(Reverse).collect();
        let mut order = Vec::with_capacity(count);
        let mut position = vec![None; count];
        while let Some(Reverse(node)) = ready.pop() {
            position[node] = Some(order.len());
            order.push(node);
            for &dependent in &dependents[node] {
                waiting[dependent] -= 1;
                if waiting[dependent] == 0 {
                    ready.push(Reverse(dependent));
                }
            }
        }
        Self { needs, order, position, table: OnceLock::new() }
    }

    /// Every node after those it needs; in written order where there is a choice. Nodes in or behind a cycle are missing.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Whether a node has a place in the order: it is in no cycle, and behind none.
    pub fn is_placed(&self, node: usize) -> bool {
        self.position[node].is_some()
    }

    /// What a node needs directly.
    pub fn needs(&self, node: usize) -> &[usize] {
        &self.needs[node]
    }

    /// One whole cycle for each knot of nodes that wait for each other: every node needs the next one, and the last one
    /// needs the first. Each starts with its first node in written order.
    pub fn cycles(&self) -> Vec<Vec<usize>> {
        if self.order.len() == self.needs.len() {
            return Vec::new();
        }
        let mut graph = DiGraph::<(), ()>::with_capacity(self.needs.len(), 0);
        for _ in 0..self.needs.len() {
            graph.add_node(());
        }
        for (node, needed) in self.needs.iter().enumerate() {
            for &need in needed {
                graph.add_edge(NodeIndex::new(node), NodeIndex::new(need), ());
            }
        }
        let mut cycles = Vec::new();
        for component in kosaraju_scc(&graph) {
            let mut members: Vec<usize> = component.into_iter().map(NodeIndex::index).collect();
            members.sort_unstable();
            cycles.extend(self.cycle_through(members[0], &members));
        }
        cycles.sort();
        cycles
    }

    /// The shortest way from `start` back to itself inside `members`.
    fn cycle_through(&self, start: usize, members: &[usize]) -> Option<Vec<usize>> {
        let mut came_from: Vec<Option<usize>> = vec![None; members.len()];
        let place = |node: usize| members.binary_search(&node).ok();
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for &need in &self.needs[node] {
                if need == start {
                    let mut cycle = vec![node];
                    while let Some(before) = place(cycle[cycle.len() - 1]).and_then(|at| came_from[at]) {
                        cycle.push(before);
                    }
                    cycle.reverse();
                    return Some(cycle);
                }
                if let Some(at) = place(need)
                    && came_from[at].is_none()
                {
                    came_from[at] = Some(node);
                    queue.push_back(need);
                }
            }
        }
        None
    }

    /// Whether `other` comes before `node` on some way through `needs`.
    pub fn comes_before(&self, other: usize, node: usize) -> bool {
        if self.needs.len() > LARGEST_TABLE {
            return self.search(other, node);
        }
        let table = self.table.get_or_init(|| self.closure());
        let words = self.needs.len().div_ceil(64);
        table[node * words + other / 64] & (1 << (other % 64)) != 0
    }

    /// One bit for each pair of nodes: the row of a node says who comes before it.
    fn closure(&self) -> Vec<u64> {
        let words = self.needs.len().div_ceil(64);
        let mut table = vec![0_u64; self.needs.len() * words];
        for &node in &self.order {
            let mut row = vec![0_u64; words];
            for &need in &self.needs[node] {
                row[need / 64] |= 1 << (need % 64);
                let theirs = &table[need * words..(need + 1) * words];
                row.iter_mut().zip(theirs).for_each(|(mine, theirs)| *mine |= theirs);
            }
            table[node * words..(node + 1) * words].copy_from_slice(&row);
        }
        table
    }

    /// The same for a graph whose table would be too large: a search that never looks further back than `other`.
    fn search(&self, other: usize, node: usize) -> bool {
        let Some(earliest) = self.position[other] else { return false };
        let mut seen = std::collections::HashSet::new();
        let mut rest = vec![node];
        while let Some(next) = rest.pop() {
            for &need in &self.needs[next] {
                if need == other {
                    return true;
                }
                if self.position[need].is_some_and(|position| position > earliest) && seen.insert(need) {
                    rest.push(need);
                }
            }
        }
        false
    }

    /// Everything that comes before `node`.
    pub fn ancestors(&self, node: usize) -> Vec<usize> {
        let mut seen = vec![false; self.needs.len()];
        let mut rest = vec![node];
        while let Some(next) = rest.pop() {
            for &need in &self.needs[next] {
                if !seen[need] {
                    seen[need] = true;
                    rest.push(need);
                }
            }
        }
        (0..seen.len()).filter(|&n| seen[n]).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_order_is_the_written_one_where_it_can_be() {
        let graph = Graph::new(vec![vec![3], vec![], vec![1], vec![], vec![0, 2]]);
        assert_eq!(graph.order(), [1, 2, 3, 0, 4]);
        assert!(graph.cycles().is_empty());
    }

    #[test]
    fn a_cycle_is_shown_whole() {
        // 1 → 3 → 2 → 1, with 4 behind it, and a second knot 5 ⇄ 6.
        let graph = Graph::new(vec![vec![], vec![3, 0], vec![1], vec![2], vec![1], vec![6], vec![5]]);
        assert_eq!(graph.order(), [0]);
        assert_eq!(graph.cycles(), [vec![1, 3, 2], vec![5, 6]]);
    }

    #[test]
    fn a_long_chain_does_not_recurse() {
        let count = 100_000;
        let chain = Graph::new((0..count).map(|n: usize| n.checked_sub(1).into_iter().collect()).collect());
        assert_eq!(chain.order().len(), count);
        assert!(chain.comes_before(0, count - 1) && !chain.comes_before(count - 1, count - 1));
        let ring = Graph::new((0..count).map(|n| vec![(n + 1) % count]).collect());
        assert_eq!(ring.cycles()[0].len(), count);
    }

    proptest! {
        #[test]
        fn before_is_what_a_closure_says(edges in proptest::collection::vec((0_usize..12, 0_usize..12), 0..30)) {
            let mut needs = vec![Vec::new(); 12];
            for (a, b) in edges {
                // An edge to an earlier number only: no cycle.
                if b < a && !needs[a].contains(&b) { needs[a].push(b); }
            }
            let mut closure = [[false; 12]; 12];
            for node in 0..12 {
                for &need in &needs[node] {
                    let far = closure[need];
                    closure[node].iter_mut().zip(far).for_each(|(mine, theirs)| *mine |= theirs);
                    closure[node][need] = true;
                }
            }
            let graph = Graph::new(needs);
            for (node, before) in closure.iter().enumerate() {
                for (other, before) in before.iter().enumerate() {
                    prop_assert_eq!(graph.comes_before(other, node), *before);
                    prop_assert_eq!(graph.search(other, node), *before);
                }
                let ancestors: Vec<usize> = (0..12).filter(|&n| before[n]).collect();
                prop_assert_eq!(graph.ancestors(node), ancestors);
            }
        }
    }
}
