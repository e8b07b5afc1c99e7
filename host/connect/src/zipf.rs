//! Ranks with Zipf's distribution, in constant time: the alias method.
//!
//! The table is built as in M. D. Vose, "A Linear Algorithm for Generating Random Numbers with a Given Distribution", IEEE Transactions
//! on Software Engineering 17 (1991). A cumulative table with a binary search would cost twenty cache misses at a million ranks.
//! The weights come from `powf`, whose last bit may differ between platforms; on one platform a seed gives the same ranks for ever.

use crate::random::Random;

/// The most ranks that a table may have: 128 MiB of table.
pub const RANKS_MAX: u32 = 1 << 24;

/// Draws rank `r`, from 0, with a probability in proportion to `1 / (r + 1)^exponent`.
#[derive(Debug, Clone)]
pub struct Zipf {
    cells: Vec<Cell>,
}

/// One of equally likely cells: its own rank below the threshold, the other rank from there on.
#[derive(Debug, Clone, Copy)]
struct Cell {
    threshold: u32,
    other: u32,
}

impl Zipf {
    /// The table for `ranks` ranks, 1 to [`RANKS_MAX`]; a number outside is brought inside.
    #[must_use]
    pub fn new(ranks: u32, exponent: f64) -> Self {
        let ranks = ranks.clamp(1, RANKS_MAX);
        let weights: Vec<f64> = (0..ranks).map(|rank| f64::from(rank + 1).powf(-exponent)).collect();
        let mean = weights.iter().sum::<f64>() / f64::from(ranks);
        // A rank keeps the share of its own cell that its weight fills; who has more than a cell fills up the cells of others.
        let mut cells: Vec<Cell> = (0..ranks).map(|rank| Cell { threshold: u32::MAX, other: rank }).collect();
        let (mut large, mut small): (Vec<_>, Vec<_>) =
            weights.iter().zip(0..ranks).map(|(weight, rank)| (weight / mean, rank)).partition(|(share, _)| *share >= 1.0);
        while let (Some((share, rank)), Some((rich, giver))) = (small.pop(), large.last_mut()) {
            if let Some(cell) = cells.get_mut(rank as usize) {
                *cell = Cell { threshold: (share * 4_294_967_296.0) as u32, other: *giver };
            }
            *rich -= 1.0 - share;
            if *rich < 1.0
                && let Some(poor) = large.pop()
            {
                small.push(poor);
            }
        }
        // What is left in either list is a full cell but for rounding.
        Self { cells }
    }

    /// A random rank.
    #[inline]
    pub fn sample(&self, random: &mut Random) -> u32 {
        let bits = random.next_u64();
        // The high half chooses the cell (a multiplication instead of a division), the low half the side of its threshold.
        let index = ((bits >> 32) * self.cells.len() as u64) >> 32;
        match self.cells.get(index as usize) {
            Some(cell) if bits as u32 >= cell.threshold => cell.other,
            _ => index as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_follow_the_law() {
        let check = |ranks: u32, exponent: f64| {
            let draws = 2_000_000;
            let zipf = Zipf::new(ranks, exponent);
            let mut random = Random::new(7);
            let mut counts = vec![0u32; ranks as usize];
            for _ in 0..draws {
                counts[zipf.sample(&mut random) as usize] += 1;
            }
            let sum: f64 = (1..=ranks).map(|n| f64::from(n).powf(-exponent)).sum();
            for rank in [0, 1, 2, 9, ranks as usize - 1].into_iter().filter(|rank| *rank < ranks as usize) {
                let expected = f64::from(draws) * (rank as f64 + 1.0).powf(-exponent) / sum;
                let tolerance = 5.0 * expected.sqrt() + 1.0;
                assert!((f64::from(counts[rank]) - expected).abs() < tolerance, "rank {rank} of {ranks}: {} for {expected}", counts[rank]);
            }
        };
        check(1, 1.0);
        check(2, 1.0);
        check(100, 1.0);
        check(1000, 0.0);
        check(5000, 1.5);
    }

    #[test]
    fn every_share_of_the_table_adds_up() {
        let (ranks, exponent) = (1000u32, 1.0);
        let zipf = Zipf::new(ranks, exponent);
        let mut shares = vec![0.0; ranks as usize];
        for (rank, cell) in zipf.cells.iter().enumerate() {
            let own = if cell.other as usize == rank { 1.0 } else { f64::from(cell.threshold) / 4_294_967_296.0 };
            shares[rank] += own;
            shares[cell.other as usize] += 1.0 - own;
        }
        let sum: f64 = (1..=ranks).map(|n| f64::from(n).powf(-exponent)).sum();
        for (rank, share) in shares.iter().enumerate() {
            let expected = f64::from(ranks) / (rank as f64 + 1.0) / sum;
            assert!((share - expected).abs() < 1e-5, "rank {rank}: {share} for {expected}");
        }
    }
}
