//! tests of compaction
