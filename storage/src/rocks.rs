//! The backend of a node: RocksDB. No other file names it, and none of its types leaves this one.
//!
//! The write pattern, which the options follow: one batch a block, of 1 to 1,000 transactions; bodies and receipts
//! large and by rising height; transaction ids random; tree nodes by rising version, read again for a while, then
//! deleted. Nothing is written twice on purpose but the latest state values. Reads are point lookups, of which many
//! miss (is this transaction known?), and short scans.

use crate::batch::Batch;
use crate::column::Column;
use crate::error::{BackendError, StoreError};
use crate::store::{Direction, Durability, Entry, KeyRange, Read, Store};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType,
    DBRecoveryMode, ErrorKind, IteratorMode, LogLevel, Options, ReadOptions, Snapshot, WriteBatch,
    WriteOptions,
};
use std::path::{Path, PathBuf};

/// A store in a directory of its own. One process has it open at a time.
pub struct RocksStore {
    database: DB,
    path: PathBuf,
}

impl RocksStore {
    /// Creates a store. The directory is made if it is missing.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if a store is there already, else as [`RocksStore::open`].
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        if is_store(path) {
            return Err(StoreError::Exists { path: path.into() });
        }
        std::fs::create_dir_all(path).map_err(|error| StoreError::Open {
            path: path.into(),
            source: BackendError::new(error.to_string()),
        })?;
        let mut options = database_options();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        Self::open_with(path, &options)
    }

    /// Opens a store that exists, replaying what the last process left in the write-ahead log.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Locked`], [`StoreError::Damaged`], [`StoreError::UnknownColumn`] if a
    /// newer version wrote it, [`StoreError::Open`] for anything else.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        if !is_store(path) {
            return Err(StoreError::Missing { path: path.into() });
        }
        let mut options = database_options();
        // A process that ended while creating the store may have left some columns out.
        options.create_missing_column_families(true);
        let names = DB::list_cf(&options, path).map_err(|error| open_error(path, &error))?;
        let unknown = names.into_iter().find(|name| {
            name != DEFAULT_COLUMN && Column::ALL.iter().all(|column| column.name() != name)
        });
        if let Some(name) = unknown {
            return Err(StoreError::UnknownColumn {
                path: path.into(),
                name,
            });
        }
        Self::open_with(path, &options)
    }

    /// The store's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn open_with(path: &Path, options: &Options) -> Result<Self, StoreError> {
        let cache = Cache::new_lru_cache(BLOCK_CACHE_BYTES);
        let columns = Column::ALL
            .into_iter()
            .map(|column| {
                ColumnFamilyDescriptor::new(column.name(), column_options(column, &cache))
            })
            // RocksDB insists on a column family of this name; it stays empty.
            .chain([ColumnFamilyDescriptor::new(
                DEFAULT_COLUMN,
                Options::default(),
            )]);
        let database = DB::open_cf_descriptors(options, path, columns)
            .map_err(|error| open_error(path, &error))?;
        Ok(Self {
            database,
            path: path.into(),
        })
    }

    fn family(&self, column: Column) -> &ColumnFamily {
        self.database
            .cf_handle(column.name())
            .expect("every column was opened, and none is ever dropped")
    }
}

impl Read for RocksStore {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.database
            .get_cf(self.family(column), key)
            .map_err(|error| read_error(column, &error))
    }

    fn scan(
        &self,
        column: Column,
        range: &KeyRange,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let (options, mode) = scan_options(range, direction);
        collect(
            column,
            self.database
                .iterator_cf_opt(self.family(column), options, mode)
                .take(limit),
        )
    }
}

impl Store for RocksStore {
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), StoreError> {
        let mut changes = WriteBatch::default();
        for change in batch.changes() {
            let family = self.family(change.column);
            match &change.value {
                Some(value) => changes.put_cf(family, &change.key, value),
                None => changes.delete_cf(family, &change.key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(durability == Durability::Synced);
        self.database
            .write_opt(changes, &options)
            .map_err(|error| write_error(&error))
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.database
            .flush_wal(true)
            .map_err(|error| write_error(&error))
    }

    fn snapshot(&self) -> Box<dyn Read + '_> {
        Box::new(View {
            snapshot: self.database.snapshot(),
            store: self,
        })
    }
}

impl std::fmt::Debug for RocksStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksStore")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The store at one moment.
struct View<'a> {
    snapshot: Snapshot<'a>,
    store: &'a RocksStore,
}

impl Read for View<'_> {
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.snapshot
            .get_cf(self.store.family(column), key)
            .map_err(|error| read_error(column, &error))
    }

    fn scan(
        &self,
        column: Column,
        range: &KeyRange,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let (options, mode) = scan_options(range, direction);
        collect(
            column,
            self.snapshot
                .iterator_cf_opt(self.store.family(column), options, mode)
                .take(limit),
        )
    }
}

/// Options of the whole database: durability and bounds.
fn database_options() -> Options {
    let mut options = Options::default();
    // Read errors and bad checksums stop writes instead of spreading through compaction.
    options.set_paranoid_checks(true);
    // After a loss of power, the log up to its first damaged record: a prefix of the batches, and each one whole.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);

    // Memory: write buffers of all columns together, one block cache, few open files.
    options.set_db_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_background_jobs(BACKGROUND_JOBS);

    // Disk: a column that is seldom written must not keep old logs alive; RocksDB's own text logs are few and short.
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_log_file_size(LOG_FILE_BYTES);
    options.set_keep_log_file_num(LOG_FILES);
    options.set_log_level(LogLevel::Warn);
    options.set_stats_dump_period_sec(0);
    // Files are written out steadily, so that a compaction does not make the journal's sync wait behind it.
    options.set_bytes_per_sync(1 << 20);
    options.set_wal_bytes_per_sync(1 << 20);
    options
}

/// Options of one column: layout of its files.
fn column_options(column: Column, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    // Indexes and filters count against the cache: else memory would grow with the chain.
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // Ten bits a key: one lookup in a hundred that misses still reads a block.
    table.set_bloom_filter(10.0, false);
    table.set_format_version(6);

    let mut options = Options::default();
    options.set_block_based_table_factory(&table);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES / 4);
    options.set_level_compaction_dynamic_level_bytes(true);
    match column {
        // Large, written once, never deleted: kept out of compaction, which would copy them level by level.
        Column::Blocks | Column::Receipts => {
            options.set_enable_blob_files(true);
            options.set_min_blob_size(BLOB_BYTES_MIN);
            options.set_blob_compression_type(DBCompressionType::Lz4);
        }
        Column::Meta
        | Column::Headers
        | Column::BlockIds
        | Column::Transactions
        | Column::Certificates
        | Column::Epochs
        | Column::EpochEnds
        | Column::Events
        | Column::Records
        | Column::StateTree
        | Column::StateIndex
        | Column::StateUndo
        | Column::TreeNodes
        | Column::TreeStale => {}
    }
    options
}

fn scan_options(range: &KeyRange, direction: Direction) -> (ReadOptions, IteratorMode<'static>) {
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(range.start());
    if let Some(end) = range.end() {
        // RocksDB leaves a range undefined whose end lies before its start.
        options.set_iterate_upper_bound(end.max(range.start()));
    }
    let mode = match direction {
        Direction::Ascending => IteratorMode::Start,
        Direction::Descending => IteratorMode::End,
    };
    (options, mode)
}

fn collect(
    column: Column,
    entries: impl Iterator<Item = Result<(Box<[u8]>, Box<[u8]>), rocksdb::Error>>,
) -> Result<Vec<Entry>, StoreError> {
    entries
        .map(|entry| {
            entry
                .map(|(key, value)| (key.into_vec(), value.into_vec()))
                .map_err(|error| read_error(column, &error))
        })
        .collect()
}

/// Whether a RocksDB lives here. `CURRENT` is the file it writes last when it creates a database.
fn is_store(path: &Path) -> bool {
    path.join("CURRENT").exists()
}

/// RocksDB tells these cases apart in its message only; the tests pin the ones matched here.
fn open_error(path: &Path, error: &rocksdb::Error) -> StoreError {
    let path = path.to_path_buf();
    let message: &str = error.as_ref();
    let source = BackendError::new(message);
    match error.kind() {
        ErrorKind::IOError if message.contains("LOCK:") => StoreError::Locked { path },
        ErrorKind::IOError if message.contains(DISK_FULL) => StoreError::DiskFull { source },
        ErrorKind::Corruption => StoreError::Damaged { path, source },
        // `CURRENT` exists, and a file that it needs does not.
        ErrorKind::IOError if message.contains("No such file") => {
            StoreError::Damaged { path, source }
        }
        _ => StoreError::Open { path, source },
    }
}

fn read_error(column: Column, error: &rocksdb::Error) -> StoreError {
    StoreError::Read {
        column,
        source: BackendError::new(error.as_ref()),
    }
}

fn write_error(error: &rocksdb::Error) -> StoreError {
    let source = BackendError::new(error.as_ref());
    if error.as_ref().contains(DISK_FULL) {
        StoreError::DiskFull { source }
    } else {
        StoreError::Write { source }
    }
}

const DEFAULT_COLUMN: &str = "default";
const DISK_FULL: &str = "No space left on device";

/// Shared by all columns; holds data, index and filter blocks.
const BLOCK_CACHE_BYTES: usize = 64 << 20;
/// Shared by all columns; reached, the fullest one is flushed.
const WRITE_BUFFER_BYTES: usize = 64 << 20;
/// Beyond it, the columns that keep the oldest log alive are flushed.
const WAL_BYTES_MAX: u64 = 128 << 20;
const OPEN_FILES_MAX: i32 = 256;
/// Flushes and compactions; two, so that a long compaction does not stall a flush.
const BACKGROUND_JOBS: i32 = 2;
const LOG_FILE_BYTES: usize = 4 << 20;
const LOG_FILES: usize = 4;
/// Values from this size on go to blob files.
const BLOB_BYTES_MIN: u64 = 4 << 10;
