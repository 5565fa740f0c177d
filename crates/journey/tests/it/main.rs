//! Journeys with services in memory: the engine, every node, and the exports of real realms.

mod corpus;
mod documents;
mod driver;
mod engine;
mod golden;
mod imports;
mod mutations;
mod nodes;
mod scripts;
mod support;
