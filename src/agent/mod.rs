//! The agent: collectors, meters and sources, exposed to Prometheus over HTTP.

pub(crate) mod business;
pub mod config;
pub mod energy;
pub mod exposition;
pub mod gzip;
pub mod negotiate;
pub mod own;
pub(crate) mod pages;
pub mod scrape;
pub mod serve;
pub mod worker;
