//! Batches in parts: some rows of one, its halves, its pieces.

use weir_model::key_group::hash_key;
use weir_model::rows::{Batch, BatchBuilder};

/// The batch with the hashes of its keys.
pub(super) fn hashed(batch: Batch) -> Batch {
    let hashes = batch.iter().map(|row| hash_key(row.key.unwrap_or_default())).collect();
    batch.with_hashes(hashes)
}

/// The rows of `batch` for which `keep` is true of their place.
pub(super) fn select(batch: &Batch, keep: impl Fn(usize) -> bool) -> Batch {
    let mut builder = BatchBuilder::default();
    for (at, row) in batch.iter().enumerate().filter(|(at, _)| keep(*at)) {
        match batch.hashes().get(at) {
            Some(hash) => builder.push_hashed(&row, *hash),
            None => builder.push_copy(&row),
        }
    }
    builder.take()
}

/// The batch in two.
pub(super) fn halves(batch: &Batch) -> (Batch, Batch) {
    let middle = batch.len() / 2;
    (select(batch, |at| at < middle), select(batch, |at| at >= middle))
}

/// The rows from `from` on, `rows` to a piece.
pub(super) fn pieces(batch: &Batch, from: usize, rows: usize) -> Vec<Batch> {
    let mut pieces = Vec::new();
    let mut piece = BatchBuilder::default();
    for (at, row) in batch.iter().enumerate().skip(from) {
        match batch.hashes().get(at) {
            Some(hash) => piece.push_hashed(&row, *hash),
            None => piece.push_copy(&row),
        }
        if piece.len() >= rows {
            pieces.push(piece.take());
        }
    }
    pieces.push(piece.take());
    pieces
}
