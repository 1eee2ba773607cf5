//! [`ClientIds`]: the forms in which app client IDs are given.

use std::collections::{BTreeSet, HashSet};

/// A type that converts to one or more app client IDs.
///
/// The trait is implemented for a string, and for an array, slice, `Vec` or set of strings. Other types cannot
/// implement the trait.
///
/// ```
/// use std::collections::BTreeSet;
/// use axum_cognito::UserPool;
///
/// let from_configuration = BTreeSet::from(["1example23456789".to_owned(), "2example23456789".to_owned()]);
/// let pool = UserPool::new("us-east-1_AbC123xyz", &from_configuration)?;
/// assert_eq!(pool.client_ids().map(Iterator::count), Some(2));
/// # Ok::<(), axum_cognito::ConfigError>(())
/// ```
pub trait ClientIds: sealed::Sealed {
    #[doc(hidden)]
    fn into_client_ids(self) -> Vec<String>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! one_id {
    ($($type:ty),+) => {$(
        impl sealed::Sealed for $type {}
        impl ClientIds for $type {
            fn into_client_ids(self) -> Vec<String> {
                vec![String::from(self)]
            }
        }
    )+};
}

macro_rules! several_ids {
    ($([$($generic:tt)*] $type:ty;)+) => {$(
        impl<S: AsRef<str>, $($generic)*> sealed::Sealed for $type {}
        impl<S: AsRef<str>, $($generic)*> ClientIds for $type {
            fn into_client_ids(self) -> Vec<String> {
                self.into_iter().map(|id| id.as_ref().to_owned()).collect()
            }
        }
    )+};
}

one_id!(&str, String, &String);

several_ids! {
    [] Vec<S>;
    [] &Vec<S>;
    [] &[S];
    [const N: usize] [S; N];
    [const N: usize] &[S; N];
    [] BTreeSet<S>;
    [] &BTreeSet<S>;
    [H] HashSet<S, H>;
    [H] &HashSet<S, H>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: impl ClientIds) -> Vec<String> {
        ids.into_client_ids()
    }

    #[test]
    #[allow(clippy::needless_borrows_for_generic_args)] // a borrowed array is one of the forms
    fn client_ids_convert_from_strings_and_collections() {
        let text = String::from("a");
        let list = vec![text.clone()];
        let (sorted, hashed) = (BTreeSet::from(["a"]), HashSet::from(["a"]));
        for actual in [
            ids("a"),
            ids(&text),
            ids(text.clone()),
            ids(&list),
            ids(list.as_slice()),
            ids(["a"]),
            ids(&["a"]),
            ids(&sorted),
            ids(sorted.clone()),
            ids(&hashed),
            ids(hashed.clone()),
            ids(vec!["a"]),
        ] {
            assert_eq!(actual, list);
        }
        assert_eq!(ids(["b", "a", "b"]), ["b", "a", "b"]);
        assert_eq!(ids([""; 0]), [""; 0]);
    }
}
