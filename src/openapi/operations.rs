//! [`Operations`]: the utoipa values that contain operations.

use utoipa::openapi::{
    OpenApi, PathItem,
    path::{Operation, Paths},
};

/// A value with API operations, for [`SecuritySchemes::document`](super::SecuritySchemes::document).
///
/// The trait is implemented for utoipa's [`Operation`], [`PathItem`], [`Paths`] and [`OpenApi`], and for mutable
/// references to these types. The result of `utoipa_axum::routes!` also implements the trait, because it contains a
/// [`Paths`]. Applications cannot implement the trait, because it is sealed.
pub trait Operations: sealed::Sealed {
    /// Calls `change` with each operation.
    #[doc(hidden)]
    fn for_each_operation(&mut self, change: &mut dyn FnMut(&mut Operation));
}

impl Operations for Operation {
    fn for_each_operation(&mut self, change: &mut dyn FnMut(&mut Operation)) {
        change(self);
    }
}

impl Operations for PathItem {
    fn for_each_operation(&mut self, change: &mut dyn FnMut(&mut Operation)) {
        let by_method = [
            &mut self.get,
            &mut self.put,
            &mut self.post,
            &mut self.delete,
            &mut self.options,
            &mut self.head,
            &mut self.patch,
            &mut self.trace,
            &mut self.query,
        ];
        by_method.into_iter().flatten().chain(self.additional_operations.values_mut()).for_each(change);
    }
}

impl Operations for Paths {
    fn for_each_operation(&mut self, change: &mut dyn FnMut(&mut Operation)) {
        for item in self.paths.values_mut() {
            item.for_each_operation(change);
        }
    }
}

impl Operations for OpenApi {
    fn for_each_operation(&mut self, change: &mut dyn FnMut(&mut Operation)) {
        self.paths.for_each_operation(change);
    }
}

impl<O: Operations> Operations for &mut O {
    fn for_each_operation(&mut self, change: &mut dyn FnMut(&mut Operation)) {
        (**self).for_each_operation(change);
    }
}

/// The result of `utoipa_axum::routes!`: schemas, paths and axum's method router.
impl<S, R> Operations for (S, Paths, R) {
    fn for_each_operation(&mut self, change: &mut dyn FnMut(&mut Operation)) {
        self.1.for_each_operation(change);
    }
}

mod sealed {
    use utoipa::openapi::{
        OpenApi, PathItem,
        path::{Operation, Paths},
    };

    pub trait Sealed {}
    impl Sealed for Operation {}
    impl Sealed for PathItem {}
    impl Sealed for Paths {}
    impl Sealed for OpenApi {}
    impl<O: Sealed> Sealed for &mut O {}
    impl<S, R> Sealed for (S, Paths, R) {}
}
