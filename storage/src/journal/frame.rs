//! The bytes of a journal: a head, then numbered frames.
//!
//! ```text
//! head   magic (8), version (4), genesis (32), validator (32), floor (8), checksum (16)
//! frame  length (4), number (8), durable (8), checksum (16), entry (length)
//! ```
//!
//! Integers are little-endian; checksums are truncated BLAKE3. `number` counts frames from 0. `durable` says how many
//! frames had been synced when this one was written: frames of the same unsynced run may reach the disk in any order,
//! so a whole frame behind a damaged one proves damage only if its `durable` covers the damaged one. `floor` is the
//! number of frames the file was created with.

use super::{JournalError, JournalIdentity};
use salus_primitives::hash::Digest;
use salus_primitives::ids::GenesisHash;
use salus_primitives::namespace::Domain;

/// Longest entry in bytes: a full proposal with its body and justification fits several times.
pub const ENTRY_BYTES_MAX: usize = 16 << 20;

/// The end of a journal that was cut off: appended, but not synced before the crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TornTail {
    /// Where the tail began, in bytes from the start of the journal.
    pub offset: u64,
    /// How many bytes were cut off.
    pub length: u64,
}

/// Everything a journal's bytes hold.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) entries: Vec<Vec<u8>>,
    /// Where the next frame goes: behind the last whole one.
    pub(super) end: usize,
    pub(super) torn: Option<TornTail>,
}

/// The head of a new journal with `floor` frames behind it.
pub(super) fn head(identity: &JournalIdentity, floor: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD_BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(identity.genesis.as_bytes());
    bytes.extend_from_slice(identity.validator.as_bytes());
    bytes.extend_from_slice(&floor.to_le_bytes());
    let checksum = checksum(&[&bytes]);
    bytes.extend_from_slice(&checksum);
    bytes
}

/// Appends one frame to `bytes`.
pub(super) fn push(
    bytes: &mut Vec<u8>,
    number: u64,
    durable: u64,
    entry: &[u8],
) -> Result<(), JournalError> {
    let length = check_length(entry)?;
    let front = front(length, number, durable);
    bytes.extend_from_slice(&front);
    bytes.extend_from_slice(&checksum(&[&front, entry]));
    bytes.extend_from_slice(entry);
    Ok(())
}

/// A whole journal of `entries`, all of which will be durable before it is used.
pub(super) fn image(
    identity: &JournalIdentity,
    entries: &[&[u8]],
) -> Result<Vec<u8>, JournalError> {
    let mut bytes = head(identity, entries.len() as u64);
    for (number, entry) in (0..).zip(entries) {
        push(&mut bytes, number, number, entry)?;
    }
    Ok(bytes)
}

/// Reads a journal.
pub(super) fn read(bytes: &[u8], expected: &JournalIdentity) -> Result<Contents, JournalError> {
    let floor = read_head(bytes, expected)?;
    let mut entries = Vec::new();
    let mut end = HEAD_BYTES;
    while let Some(frame) = Frame::at(bytes, end) {
        if frame.number != entries.len() as u64 {
            break;
        }
        end += FRONT_BYTES + CHECKSUM_BYTES + frame.entry.len();
        entries.push(frame.entry.to_vec());
    }
    let whole = entries.len() as u64;
    if whole < floor || synced_frame_follows(bytes, end, whole) {
        return Err(JournalError::Corrupt { offset: end as u64 });
    }
    let torn = (end < bytes.len()).then(|| TornTail {
        offset: end as u64,
        length: (bytes.len() - end) as u64,
    });
    Ok(Contents { entries, end, torn })
}

/// Whether a whole frame at or behind `offset` was written after frame `number` had been synced. Looks at every byte,
/// since the damaged frame's own length cannot be trusted; runs only when the end is not clean.
fn synced_frame_follows(bytes: &[u8], offset: usize, number: u64) -> bool {
    (offset..bytes.len())
        // The cheap look first: a torn tail may be megabytes long.
        .filter(|start| claimed_durable(bytes, *start).is_some_and(|durable| durable > number))
        .any(|start| Frame::at(bytes, start).is_some())
}

/// The `durable` field of a frame that may begin at `offset`.
fn claimed_durable(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes
        .get(offset..)?
        .get(12..FRONT_BYTES)
        .map(|field| u64::from_le_bytes(array(field)))
}

fn read_head(bytes: &[u8], expected: &JournalIdentity) -> Result<u64, JournalError> {
    let mut rest = bytes;
    let mut field = |length: usize| {
        let (field, tail) = rest.split_at_checked(length).ok_or(JournalError::Head {
            reason: "shorter than a head",
        })?;
        rest = tail;
        Ok::<_, JournalError>(field)
    };
    if field(MAGIC.len())? != MAGIC {
        return Err(JournalError::Head {
            reason: "it does not begin like one",
        });
    }
    let version = u32::from_le_bytes(array(field(4)?));
    if version != VERSION {
        return Err(JournalError::Version {
            found: version,
            supported: VERSION,
        });
    }
    let found = JournalIdentity {
        genesis: GenesisHash(array(field(32)?)),
        validator: Digest(array(field(32)?)),
    };
    let floor = u64::from_le_bytes(array(field(8)?));
    let covered = &bytes[..HEAD_BYTES - CHECKSUM_BYTES];
    if field(CHECKSUM_BYTES)? != checksum(&[covered]) {
        return Err(JournalError::Head {
            reason: "the checksum of its head does not match",
        });
    }
    if found != *expected {
        return Err(JournalError::Foreign {
            found: Box::new(found),
            expected: Box::new(*expected),
        });
    }
    Ok(floor)
}

/// A frame whose checksum matches.
struct Frame<'a> {
    number: u64,
    entry: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at `offset`, if a whole one begins there.
    fn at(bytes: &'a [u8], offset: usize) -> Option<Self> {
        let rest = bytes.get(offset..)?;
        let (front, rest) = rest.split_first_chunk::<FRONT_BYTES>()?;
        let (found, rest) = rest.split_first_chunk::<CHECKSUM_BYTES>()?;
        let length = u32::from_le_bytes(array(&front[..4])) as usize;
        let number = u64::from_le_bytes(array(&front[4..12]));
        let durable = u64::from_le_bytes(array(&front[12..]));
        // These two rule out nearly every wrong offset without hashing.
        if length > ENTRY_BYTES_MAX || durable > number {
            return None;
        }
        let entry = rest.get(..length)?;
        (*found == checksum(&[front, entry])).then_some(Self { number, entry })
    }
}

fn check_length(entry: &[u8]) -> Result<u32, JournalError> {
    match u32::try_from(entry.len()) {
        Ok(length) if entry.len() <= ENTRY_BYTES_MAX => Ok(length),
        _ => Err(JournalError::TooLarge {
            length: entry.len(),
        }),
    }
}

fn front(length: u32, number: u64, durable: u64) -> [u8; FRONT_BYTES] {
    let mut front = [0; FRONT_BYTES];
    front[..4].copy_from_slice(&length.to_le_bytes());
    front[4..12].copy_from_slice(&number.to_le_bytes());
    front[12..].copy_from_slice(&durable.to_le_bytes());
    front
}

fn checksum(parts: &[&[u8]]) -> [u8; CHECKSUM_BYTES] {
    array(&Domain::JournalRecord.hash(parts).0[..CHECKSUM_BYTES])
}

/// A slice whose length was just checked, as an array.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the caller cut exactly N bytes")
}

const MAGIC: &[u8; 8] = b"SALUSJRN";
const VERSION: u32 = 1;
const CHECKSUM_BYTES: usize = 16;
const HEAD_BYTES: usize = 8 + 4 + 32 + 32 + 8 + CHECKSUM_BYTES;
const FRONT_BYTES: usize = 4 + 8 + 8;
/// What a frame adds to its entry.
pub(super) const FRAME_OVERHEAD_BYTES: usize = FRONT_BYTES + CHECKSUM_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    const ME: JournalIdentity = JournalIdentity {
        genesis: GenesisHash([1; 32]),
        validator: Digest([2; 32]),
    };

    /// Frames with (number, durable) as given, and the offset of each.
    fn journal(frames: &[(u64, u64)]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = head(&ME, 0);
        let offsets = frames
            .iter()
            .map(|&(number, durable)| {
                let offset = bytes.len();
                push(&mut bytes, number, durable, &[number as u8; 40]).unwrap();
                offset
            })
            .collect();
        (bytes, offsets)
    }

    /// Frame 1 is damaged, and frame 2 was written after frame 1 had been synced.
    #[test]
    fn damage_before_a_synced_frame_is_corruption() {
        let (mut bytes, offsets) = journal(&[(0, 0), (1, 1), (2, 2)]);
        bytes[offsets[1] + 50] ^= 1;

        assert!(matches!(
            read(&bytes, &ME),
            Err(JournalError::Corrupt { offset }) if offset == offsets[1] as u64
        ));
    }

    /// The damaged length field claims more than the file holds; the frames behind it still count as evidence.
    #[test]
    fn a_damaged_length_does_not_pass_for_a_torn_end() {
        let (mut bytes, offsets) = journal(&[(0, 0), (1, 1), (2, 2)]);
        bytes[offsets[1] + 2] = 0x0f;

        assert!(matches!(
            read(&bytes, &ME),
            Err(JournalError::Corrupt { .. })
        ));
    }

    /// Frames 1 and 2 were appended in one run; the disk wrote 2 before 1 and then lost power.
    #[test]
    fn a_hole_within_one_unsynced_run_is_a_torn_end() {
        let (mut bytes, offsets) = journal(&[(0, 0), (1, 1), (2, 1)]);
        bytes[offsets[1] + 50] ^= 1;

        let contents = read(&bytes, &ME).unwrap();

        assert_eq!(contents.entries.len(), 1);
        assert_eq!(contents.torn.unwrap().offset, offsets[1] as u64);
    }

    #[test]
    fn every_cut_through_the_last_frame_is_a_torn_end() {
        let (bytes, offsets) = journal(&[(0, 0), (1, 1)]);

        for length in offsets[1] + 1..bytes.len() {
            let contents = read(&bytes[..length], &ME).unwrap();
            assert_eq!(contents.entries.len(), 1);
            assert_eq!(contents.end, offsets[1]);
            assert_eq!(contents.torn.unwrap().length, (length - offsets[1]) as u64);
        }
        assert_eq!(read(&bytes, &ME).unwrap().torn, None);
    }

    /// A rewritten journal says how many entries it began with, so losing its last one does not look like a torn end.
    #[test]
    fn losing_an_entry_of_a_rewritten_journal_is_corruption() {
        let bytes = image(&ME, &[b"one", b"two"]).unwrap();

        assert!(read(&bytes, &ME).is_ok());
        assert!(matches!(
            read(&bytes[..bytes.len() - 1], &ME),
            Err(JournalError::Corrupt { .. })
        ));
    }

    #[test]
    fn any_change_of_the_head_is_refused() {
        let bytes = head(&ME, 0);

        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&damaged, &ME).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length], &ME).is_err());
        }
    }

    #[test]
    fn an_entry_over_the_limit_is_refused() {
        let mut bytes = Vec::new();

        assert!(matches!(
            push(&mut bytes, 0, 0, &vec![0; ENTRY_BYTES_MAX + 1]),
            Err(JournalError::TooLarge { .. })
        ));
        assert!(bytes.is_empty());
    }
}
