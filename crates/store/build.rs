//! Rebuilds the crate when a migration is added: `sqlx::migrate!` embeds the directory, and cargo sees only files that
//! were there at the last build.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
