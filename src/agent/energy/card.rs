//! What the energy figures say of themselves.

use crate::{
    about::About,
    export::{Card, Export},
};

/// The card. Why a meter is blind, the meters say themselves.
pub(crate) const CARD: Card = Card {
    about: &About {
        name: "energy",
        summary: "energy by the best meter that sees, who used it, and its emissions",
        needs: &[],
        example: "",
    },
    exports: &[
        Export::of(
            &["holdfast_energy_meter_readable", "holdfast_energy_meter_unavailable_info"],
            &[],
            "a meter that was tried: the second name is there while one of them is blind",
        ),
        Export::of(
            &[
                "holdfast_energy_joules_total",
                "holdfast_energy_low_joules_total",
                "holdfast_energy_high_joules_total",
                "holdfast_power_watts",
                "holdfast_power_low_watts",
                "holdfast_power_high_watts",
                "holdfast_energy_share_joules_total",
                "holdfast_energy_share_low_joules_total",
                "holdfast_energy_share_high_joules_total",
                "holdfast_energy_share_refused",
                "holdfast_energy_share_overflowed_total",
            ],
            &[],
            "a meter that sees: `rapl`, `hwmon`, `battery` or `model`",
        ),
        Export::of(
            &["holdfast_energy_zone_joules_total"],
            &[],
            "the meter `rapl`: a processor with energy counters, and root or CAP_DAC_READ_SEARCH",
        ),
        Export::of(
            &["holdfast_energy_coefficients_info"],
            &[],
            "the meter `model`, which is used when no better one sees",
        ),
        Export::of(&["holdfast_energy_pue_ratio"], &[], "the building's overhead: --energy.pue"),
        Export::of(
            &[
                "holdfast_carbon_intensity_grams_per_kwh",
                "holdfast_carbon_unaccounted_joules_total",
            ],
            &[],
            "what the grid emits: --carbon.intensity-grams-per-kwh or --carbon.intensity-file",
        ),
        Export::of(
            &[
                "holdfast_carbon_grams_total",
                "holdfast_carbon_low_grams_total",
                "holdfast_carbon_high_grams_total",
            ],
            &[],
            "what the grid emits, or --carbon.server-share",
        ),
        Export::of(
            &["holdfast_carbon_sci_grams"],
            &[],
            "grid, --energy.pue, --carbon.server-share, and business events to divide by",
        ),
        Export::of(
            &["holdfast_carbon_unavailable_info"],
            &[],
            "a scope of emissions of which something is not known: --carbon.… and --energy.pue",
        ),
    ],
};
