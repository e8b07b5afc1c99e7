//! Chance as a guest sees it: numbers that follow from UID, subtask and checkpoint, so that what is computed again comes out the same.

use wasmtime::StoreContextMut;
use wasmtime::component::Linker;
use weir_model::key_group::hash_key;

use super::VERSION;
use crate::error::Breakage;
use crate::host_functions::HostData;

/// The most random bytes that a guest may ask for at once.
const BYTES_MAX: u64 = 1 << 20;

/// A generator of numbers: SplitMix64 (Steele, Lea and Flood 2014). Not for secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Random(u64);

impl Random {
    /// For the `instance`th instance of a subtask since a checkpoint.
    pub(crate) fn new(uid: &str, subtask: u32, checkpoint: u64, instance: u64) -> Self {
        let mut seed = Vec::with_capacity(uid.len() + 20);
        seed.extend_from_slice(&subtask.to_le_bytes());
        seed.extend_from_slice(&checkpoint.to_le_bytes());
        seed.extend_from_slice(&instance.to_le_bytes());
        seed.extend_from_slice(uid.as_bytes());
        Self(hash_key(&seed))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.next().to_le_bytes();
            chunk.iter_mut().zip(number).for_each(|(byte, random)| *byte = random);
        }
    }
}

type Store<'a> = StoreContextMut<'a, HostData>;

/// Random bytes of the machine where they are granted, else those of the generator.
fn bytes(store: &mut Store<'_>, count: u64) -> wasmtime::Result<Vec<u8>> {
    if count > BYTES_MAX {
        return Err(Breakage::Contract(format!("it asked for {count} random bytes at once; the most is {BYTES_MAX}")).into());
    }
    let mut bytes = vec![0; usize::try_from(count).unwrap_or(0)];
    let wasi = &mut store.data_mut().wasi;
    if wasi.granted.random {
        let mut rest = bytes.as_mut_slice();
        while !rest.is_empty() {
            let filled = rustix::rand::getrandom(&mut *rest, rustix::rand::GetRandomFlags::empty())?;
            rest = rest.get_mut(filled..).unwrap_or_default();
        }
    } else {
        wasi.random.fill(&mut bytes);
    }
    Ok(bytes)
}

fn number(store: &mut Store<'_>) -> wasmtime::Result<u64> {
    let bytes = bytes(store, 8)?;
    Ok(bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)))
}

pub(super) fn link(linker: &mut Linker<HostData>) -> wasmtime::Result<()> {
    let mut random = linker.instance(&format!("wasi:random/random{VERSION}"))?;
    random.func_wrap("get-random-bytes", |mut store: Store<'_>, (count,): (u64,)| Ok((bytes(&mut store, count)?,)))?;
    random.func_wrap("get-random-u64", |mut store: Store<'_>, (): ()| Ok((number(&mut store)?,)))?;
    let mut insecure = linker.instance(&format!("wasi:random/insecure{VERSION}"))?;
    insecure.func_wrap("get-insecure-random-bytes", |mut store: Store<'_>, (count,): (u64,)| Ok((bytes(&mut store, count)?,)))?;
    insecure.func_wrap("get-insecure-random-u64", |mut store: Store<'_>, (): ()| Ok((number(&mut store)?,)))?;
    let mut seed = linker.instance(&format!("wasi:random/insecure-seed{VERSION}"))?;
    for name in ["insecure-seed", "get-insecure-seed"] {
        seed.func_wrap(name, |mut store: Store<'_>, (): ()| Ok(((number(&mut store)?, number(&mut store)?),)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_follows_from_uid_subtask_checkpoint_and_instance_and_from_nothing_else() {
        let numbers = |mut random: Random| std::array::from_fn::<u64, 4, _>(|_| random.next());
        let one = numbers(Random::new("count", 0, 7, 0));
        assert_eq!(one, numbers(Random::new("count", 0, 7, 0)));
        let others = [Random::new("counts", 0, 7, 0), Random::new("count", 1, 7, 0), Random::new("count", 0, 8, 0), Random::new("count", 0, 7, 1)];
        others.into_iter().for_each(|other| assert!(numbers(other).iter().all(|number| !one.contains(number))));
    }

    #[test]
    fn any_number_of_bytes_can_be_filled() {
        let mut whole = [0; 16];
        Random::new("a", 0, 0, 0).fill(&mut whole);
        for length in 0..16 {
            let mut bytes = vec![0; length];
            Random::new("a", 0, 0, 0).fill(&mut bytes);
            assert_eq!(bytes, whole[..length]);
        }
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // The first outputs for the state 1234567, as the reference implementation gives them.
        let mut random = Random(1_234_567);
        assert_eq!([random.next(), random.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }
}
