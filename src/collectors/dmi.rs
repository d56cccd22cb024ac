//! The machine's maker, model and firmware, from `/sys/class/dmi/id`.

use crate::{
    about::{About, Need},
    collector::{Blank, Collector, CollectorKind, Samples},
    export::{Export, Origin},
    world::roots::{self, Roots},
};

/// Its entry in the list.
pub const KIND: CollectorKind = CollectorKind {
    about: &About {
        name: "dmi",
        summary: "the machine's maker, model and firmware",
        needs: &[Need::ReadAll],
        example: "",
    },
    exports: EXPORTS,
    blocks: false,
    health: None,
    make: |_| Box::new(Dmi::default()),
};

/// What it can bring, and what that takes.
const EXPORTS: &[Export] = &[Export::of(
    &["node_dmi_info"],
    &[Origin::Sys("class/dmi/id")],
    "firmware with SMBIOS (CONFIG_DMIID); machines with a device tree have none",
)];

#[derive(Debug, Default)]
struct Dmi {
    /// Labels and values. They do not change while the machine runs.
    said: Option<Vec<(&'static str, String)>>,
}

/// Labels, which are the names of the files, but for `sys_vendor`. Serial numbers are root's.
const LABELS: [&str; 20] = [
    "bios_date",
    "bios_release",
    "bios_vendor",
    "bios_version",
    "board_asset_tag",
    "board_name",
    "board_serial",
    "board_vendor",
    "board_version",
    "chassis_asset_tag",
    "chassis_serial",
    "chassis_vendor",
    "chassis_version",
    "product_family",
    "product_name",
    "product_serial",
    "product_sku",
    "product_uuid",
    "product_version",
    "system_vendor",
];

impl Collector for Dmi {
    fn collect(&mut self, roots: &Roots, samples: &mut Samples) -> Result<(), Blank> {
        let said = self.said.get_or_insert_with(|| read(roots));
        let help = "A metric with a constant '1' value labeled by bios_date, bios_release, \
                    bios_vendor, bios_version, board_asset_tag, board_name, board_serial, \
                    board_vendor, board_version, chassis_asset_tag, chassis_serial, \
                    chassis_vendor, chassis_version, product_family, product_name, \
                    product_serial, product_sku, product_uuid, product_version, system_vendor if \
                    provided by DMI.";
        samples.gauge("node_dmi_info", help);
        if !said.is_empty() {
            let labels: Vec<(&str, &str)> =
                said.iter().map(|(label, value)| (*label, value.as_str())).collect();
            samples.row(&labels, 1.0);
        }
        Ok(())
    }
}

fn read(roots: &Roots) -> Vec<(&'static str, String)> {
    let folder = roots.sys("class/dmi/id");
    let value = |label: &'static str| {
        let file = if label == "system_vendor" { "sys_vendor" } else { label };
        let text = roots::read(&folder.join(file)).ok()?;
        Some((label, text.trim_ascii().to_owned()))
    };
    LABELS.into_iter().filter_map(value).collect()
}
