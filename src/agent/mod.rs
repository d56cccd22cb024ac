//! The agent: collectors, meters and sources, exposed to Prometheus over HTTP.

pub mod config;
pub mod energy;
pub mod exposition;
pub mod negotiate;
pub mod own;
pub mod scrape;
pub mod serve;
pub mod worker;
