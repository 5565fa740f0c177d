//! What `wrangler deploy` would upload.

/// The platform's limit for a compressed worker on the free plan is 3 MiB; start-up must stay below a second. A tenth
/// of the one keeps well away from the other.
#[test]
fn the_upload_is_small() {
    xtask::npm::ensure("edge").expect("npm packages");
    xtask::edge_build::build(&Default::default()).expect("the edge builds");
    let out = tempfile::tempdir().expect("a temporary directory");
    let bytes = xtask::wrangler_dry_run(out.path()).expect("wrangler takes the worker").bytes;
    assert!(bytes < 1 << 20, "{bytes} bytes");
}
