//! The words that the simulated roofing company is made of.

pub(super) const FIRST_NAMES: &[&str] = &[
    "Ana", "Luis", "Marta", "Jorge", "Elena", "Raúl", "Carmen", "Diego", "Emily", "James", "Olivia", "Noah",
    "Grace", "Henry", "Sofía", "Tomás", "Ruth", "Walter", "Irene", "Hugo", "Nadia", "Peter", "Clara",
    "Víctor", "Amy", "Dennis",
];
pub(super) const LAST_NAMES: &[&str] = &[
    "Hernández",
    "García",
    "Müller",
    "Smith",
    "O'Connor",
    "Nguyen",
    "Rossi",
    "Baker",
    "Carter",
    "Delgado",
    "Fischer",
    "Ibáñez",
    "Kowalski",
    "Lambert",
    "Moreno",
    "Novak",
    "Ortega",
    "Parker",
    "Quinn",
    "Reyes",
    "Sánchez",
    "Turner",
];
pub(super) const STREETS: &[&str] = &[
    "Oak Street",
    "Cedar Avenue",
    "Lakeview Drive",
    "Mill Road",
    "Church Lane",
    "Sunset Boulevard",
    "Elm Court",
];
/// City, state, first digits of the postal code, latitude, longitude.
pub(super) const CITIES: &[(&str, &str, &str, f64, f64)] = &[
    ("Austin", "TX", "787", 30.27, -97.74),
    ("Denver", "CO", "802", 39.74, -104.99),
    ("Omaha", "NE", "681", 41.26, -95.93),
    ("Tulsa", "OK", "741", 36.15, -95.99),
    ("Wichita", "KS", "672", 37.69, -97.34),
];
pub(super) const COMPANIES: &[&str] = &[
    "Lakeside Apartments",
    "Northgate School",
    "Miller Storage",
    "St. Anne Parish",
    "Prairie Dental",
    "Harbor Foods",
];
pub(super) const SOURCES: &[&str] = &["Referral", "Door to door", "Website", "Yard sign", "Insurance"];
pub(super) const WORKS: &[&str] = &[
    "roof replacement",
    "hail damage repair",
    "gutter replacement",
    "leak repair",
    "metal roof",
    "skylight",
    "roof inspection",
    "siding repair",
];
pub(super) const NOTES: &[&str] = &[
    "Left a message, will call again on Monday.",
    "Adjuster confirmed the hail damage on the north side.",
    "Customer prefers charcoal shingles.",
    "Crew finished tear-off; dry-in before the rain.",
    "Sent the estimate by email.",
    "Permit approved by the city.",
    "Final walk-through done, two shingles to replace.",
    "Material delivery moved to Thursday.",
];
pub(super) const MATERIALS: &[(&str, &str, i64)] = &[
    ("Architectural shingles", "SQ", 118),
    ("Synthetic underlayment", "RL", 74),
    ("Ice and water shield", "RL", 96),
    ("Drip edge", "EA", 11),
    ("Ridge vent", "EA", 23),
    ("Tear-off and disposal", "SQ", 65),
    ("Labor", "SQ", 140),
];
pub(super) const JOB_STATUSES: &[&str] = &[
    "Lead",
    "Appointment Scheduled",
    "Estimating",
    "Sold",
    "In Production",
    "Completed",
    "Paid & Closed",
    "Lost",
];
pub(super) const CONTACT_STATUSES: &[&str] = &["New", "Active", "Customer", "Past Customer"];
pub(super) const ESTIMATE_STATUSES: &[&str] = &["Draft", "Sent", "Approved", "Denied"];
pub(super) const CONTACT_TYPES: &[&str] = &["Residential", "Commercial", "Insurance"];
pub(super) const JOB_TYPES: &[&str] = &["Retail", "Insurance", "Warranty"];
pub(super) const TASK_TYPES: &[&str] = &["Appointment", "Inspection", "Follow Up", "Material Delivery"];
pub(super) const ACTIVITY_TYPES: &[&str] = &["Note", "Phone Call", "Email", "Meeting"];
/// Name, number, file name, media type.
pub(super) const FILE_TYPES: &[(&str, i64, &str, &str)] = &[
    ("Document", 1, "contract.pdf", "application/pdf"),
    ("Photo", 2, "roof.jpg", "image/jpeg"),
    ("Email", 3, "adjuster.eml", "message/rfc822"),
    ("Invoice", 5, "invoice.pdf", "application/pdf"),
];
