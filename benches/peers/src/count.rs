//! Measures time and allocations inside [`Meter::measure`].

use std::{
    alloc::{GlobalAlloc, Layout, System},
    fs,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

static ON: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
static FREED: AtomicU64 = AtomicU64::new(0);

/// The system allocator with counters. While counting is off, as in every timed section, it adds one relaxed load per
/// call.
pub struct Counting;

// SAFETY: every call is forwarded unchanged to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if ON.load(Relaxed) {
            FREED.fetch_add(layout.size() as u64, Relaxed);
        }
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn count(allocated: usize, freed: usize) {
    if ON.load(Relaxed) {
        ALLOCATIONS.fetch_add(1, Relaxed);
        ALLOCATED.fetch_add(allocated as u64, Relaxed);
        FREED.fetch_add(freed as u64, Relaxed);
    }
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub struct Counted {
    pub allocations: u64,
    pub allocated: u64,
    pub freed: u64,
}

/// Sums the time or the allocations of the measured sections of a case.
#[derive(Default)]
pub struct Meter {
    counting: bool,
    pub elapsed: Duration,
    /// The time for which threads that measure themselves waited for a core.
    pub waited: Duration,
    pub counted: Counted,
}

impl Meter {
    pub fn of_time() -> Self {
        Self::default()
    }

    pub fn of_allocations() -> Self {
        Self { counting: true, ..Self::default() }
    }

    pub fn measure<R>(&mut self, work: impl FnOnce() -> R) -> R {
        if !self.counting {
            let start = Instant::now();
            let result = work();
            self.elapsed += start.elapsed();
            return result;
        }
        let before = read();
        ON.store(true, Relaxed);
        let result = work();
        ON.store(false, Relaxed);
        let after = read();
        self.counted.allocations += after.allocations - before.allocations;
        self.counted.allocated += after.allocated - before.allocated;
        self.counted.freed += after.freed - before.freed;
        result
    }

    /// Adds the time of work that measures itself. No allocations are counted.
    pub fn add(&mut self, elapsed: Duration, waited: Duration) {
        self.elapsed += elapsed;
        self.waited += waited;
    }
}

/// Returns the time for which this thread has waited for a core since it started. Zero on systems other than Linux.
pub fn waited() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').nth(1).and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

fn read() -> Counted {
    Counted { allocations: ALLOCATIONS.load(Relaxed), allocated: ALLOCATED.load(Relaxed), freed: FREED.load(Relaxed) }
}
