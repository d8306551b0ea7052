//! The outbox's file: a mark, then records, each with its length and checksum.
//!
//! A record that is not intact, whether torn by a crash or damaged later, costs only itself: reading goes on at the next
//! byte from which an intact record starts.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use salus_primitives::codec;
use salus_primitives::namespace::Domain;
use salus_primitives::transaction::TRANSACTION_MAX;

use super::sync::{SyncPoint, Syncer};
use super::{OutboxError, Record};
use crate::files;

/// Appends records.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
    bytes: u64,
    records: u64,
    failed: bool,
    syncer: Arc<Syncer>,
}

/// What a file held.
pub(super) struct Read {
    pub(super) records: Vec<Record>,
    pub(super) damaged_bytes: u64,
}

impl Log {
    /// Opens the log at `path`, or makes a new one.
    ///
    /// # Errors
    /// [`OutboxError::NotAnOutbox`] without the mark; [`OutboxError::Disk`].
    pub(super) fn open(path: &Path) -> Result<(Self, Read), OutboxError> {
        let bytes = files::read(path, FILE_BYTES_MAX)?.unwrap_or_default();
        // The mark is written with the file in one replacement, so that no crash leaves a part of it.
        if bytes.is_empty() {
            files::replace(path, MARK)?;
        }
        let body = if bytes.is_empty() {
            &[]
        } else {
            bytes.strip_prefix(MARK).ok_or(OutboxError::NotAnOutbox)?
        };
        let read = read_records(body);
        let file = OpenOptions::new().append(true).mode(0o600).open(path)?;
        // What an earlier run wrote without syncing is made durable before anything is sent because of it.
        file.sync_all()?;
        let syncer = Arc::new(Syncer::new(file.try_clone()?));
        let log = Self {
            path: path.to_owned(),
            bytes: file.metadata()?.len(),
            file,
            records: u64::try_from(read.records.len()).unwrap_or(u64::MAX),
            failed: false,
            syncer,
        };
        Ok((log, read))
    }

    /// Appends a record; it is durable once the returned point is.
    ///
    /// # Errors
    /// When the disk refuses, now or earlier: after half a record, no other may follow.
    pub(super) fn append(&mut self, record: &Record) -> Result<SyncPoint, OutboxError> {
        if self.failed {
            return Err(OutboxError::Disk(std::io::Error::other(
                "an earlier write failed",
            )));
        }
        let frame = frame(record);
        self.file
            .write_all(&frame)
            .inspect_err(|_| self.failed = true)?;
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(frame.len()).unwrap_or(u64::MAX));
        self.records = self.records.saturating_add(1);
        Ok(self.syncer.wrote())
    }

    /// Puts `records` in the place of all that was written.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(super) fn replace(
        &mut self,
        records: impl Iterator<Item = Record>,
    ) -> Result<(), OutboxError> {
        let mut bytes = MARK.to_vec();
        let mut count: u64 = 0;
        for record in records {
            bytes.extend(frame(&record));
            count = count.saturating_add(1);
        }
        let replaced = files::replace(&self.path, &bytes)
            .and_then(|file| file.try_clone().map(|again| (file, again)));
        let (file, again) = replaced.inspect_err(|_| self.failed = true)?;
        self.file = file;
        self.bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.records = count;
        self.syncer.replaced(again);
        Ok(())
    }

    /// Whether rewriting would free most of the file: it is large, and `live` items need little of it.
    pub(super) fn is_mostly_dead(&self, live: u64) -> bool {
        let needed = live.saturating_mul(2).saturating_add(DONE_RECORDS);
        self.bytes > COMPACT_BYTES && self.records > needed.saturating_mul(2)
    }

    pub(super) fn syncer(&self) -> Arc<Syncer> {
        Arc::clone(&self.syncer)
    }
}

fn frame(record: &Record) -> Vec<u8> {
    let payload = codec::encode(record);
    let length = u32::try_from(payload.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes();
    let mut frame = Vec::with_capacity(payload.len().saturating_add(HEADER_BYTES));
    frame.extend(length);
    frame.extend(checksum(&length, &payload));
    frame.extend(payload);
    frame
}

fn checksum(length: &[u8; 4], payload: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let digest = Domain::JournalRecord.hash(&[length, payload]);
    digest.0.first_chunk().copied().unwrap_or_default()
}

fn read_records(mut bytes: &[u8]) -> Read {
    let mut records = Vec::new();
    let mut damaged_bytes: u64 = 0;
    while let Some(rest) = bytes.get(1..) {
        match read_record(bytes) {
            Some((record, after)) => {
                records.push(record);
                bytes = after;
            }
            None => {
                damaged_bytes = damaged_bytes.saturating_add(1);
                bytes = rest;
            }
        }
    }
    Read {
        records,
        damaged_bytes,
    }
}

fn read_record(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (length, bytes) = bytes.split_first_chunk::<4>()?;
    let (expected, bytes) = bytes.split_first_chunk::<CHECKSUM_BYTES>()?;
    let payload_length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    if payload_length > RECORD_BYTES_MAX {
        return None;
    }
    let (payload, after) = bytes.split_at_checked(payload_length)?;
    if checksum(length, payload) != *expected {
        return None;
    }
    Some((codec::decode(payload, RECORD_BYTES_MAX).ok()?, after))
}

const MARK: &[u8] = b"salus outbox 1\n";
const CHECKSUM_BYTES: usize = 8;
const HEADER_BYTES: usize = 4 + CHECKSUM_BYTES;
const RECORD_BYTES_MAX: usize = TRANSACTION_MAX + 1_024;
const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Below this size, rewriting is not worth its sync.
const COMPACT_BYTES: u64 = 2 * 1024 * 1024;
const DONE_RECORDS: u64 = 8_192;
