//! The contract as wit-bindgen sees it.

#![allow(missing_docs, unreachable_pub, unsafe_op_in_unsafe_fn, clippy::all, clippy::indexing_slicing, clippy::unwrap_used, reason = "generated")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "weir:plugin/plugin",
    ownership: Borrowing { duplicate_if_necessary: true },
    pub_export_macro: true,
    runtime_path: "::weir_guest::__wit_bindgen_rt",
    generate_all,
});
