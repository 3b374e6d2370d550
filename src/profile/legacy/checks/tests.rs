//! Each check on a record that has its fault, and on one that has not.
