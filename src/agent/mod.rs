//! The agent: collectors, meters and sources, exposed to Prometheus over HTTP.

pub(crate) mod accept;
pub mod agent_file;
pub(crate) mod business;
pub(crate) mod client_certs;
pub mod config;
pub mod energy;
pub mod exposition;
pub mod guard;
pub mod gzip;
pub(crate) mod listen;
pub mod negotiate;
pub mod own;
pub(crate) mod pages;
pub(crate) mod reload;
pub(crate) mod round;
pub mod scrape;
pub mod serve;
pub mod settings_file;
pub mod text_form;
pub mod textfile;
pub(crate) mod tls;
pub mod web_config;
pub mod worker;
