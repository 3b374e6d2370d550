//! The checks that only this room can make.
