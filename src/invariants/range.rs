//! Which part of a table a statement reads: some of its pages, or some of its ids.

use super::relations::Relation;
use crate::db::session::quote_identifier;

/// Pages of a range: small enough for a bar that moves and a deadline that is kept, large enough
/// that planning a statement does not count (a page is 8 kB as a rule).
const RANGE_PAGES: (u64, u64) = (256, 4096);

/// Ranges for each connection, so that none waits long for the last one.
const RANGES_EACH: u64 = 16;

/// A table holds at most so many rows on a page, roughly; for throttling.
const ROWS_PER_PAGE: u64 = 100;

/// Rows above the ids that an earlier audit has sealed are read by ranges of so many ids, at least.
const RANGE_IDS: u64 = 4096;

/// A plan that is kept in memory has no more ranges than this, however low the rate.
const RANGES_AT_MOST: u64 = 65_536;

/// Pages, and about as many ids, that are read in a quarter of a millisecond.
const PIECE_PAGES: u64 = 4;
const PIECE_IDS: u64 = 200;

/// Some pages of a table: from the first one to before the second, which is open for the last. Of a
/// pass over new rows only, ids instead of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range(pub u64, pub Option<u64>);

/// All that there is to read of a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Extent {
    /// A relation that is read in one piece.
    Whole,
    /// So many pages.
    Pages(u64),
    /// New rows only: the id that they begin above, and about how far they go.
    Ids(u64, u64),
}

impl Extent {
    /// All rows.
    pub fn all(relation: &Relation) -> Self {
        relation.pages.map_or(Self::Whole, Self::Pages)
    }

    /// No rows but those above an id; `last` is the highest one, about.
    pub fn above(sealed: i64, last: i64) -> Self {
        let above = u64::try_from(sealed).unwrap_or_default();
        Self::Ids(above, u64::try_from(last).unwrap_or_default().max(above))
    }

    /// Cuts it into ranges for so many connections.
    pub fn ranges(self, jobs: usize, rows_per_second: Option<u64>) -> Vec<Range> {
        let jobs = u64::try_from(jobs).unwrap_or(1);
        let (least, most) = RANGE_PAGES;
        let (from, to, size) = match self {
            Self::Ids(above, last) => {
                let share = (last - above).div_ceil(jobs * 2);
                let rate = rows_per_second.unwrap_or(u64::MAX);
                (above + 1, last + 1, share.max(RANGE_IDS).min(rate))
            }
            Self::Whole => return vec![Range(0, None)],
            Self::Pages(pages) => {
                let share = (pages / (jobs * RANGES_EACH)).clamp(least, most);
                let rate = rows_per_second.map_or(u64::MAX, |rate| rate / ROWS_PER_PAGE);
                (0, pages, share.min(rate))
            }
        };
        let to = to.max(from + 1);
        let size = size.max((to - from).div_ceil(RANGES_AT_MOST));
        let starts: Vec<u64> = (from..to).step_by(size as usize).collect();
        let ends = starts.iter().skip(1).map(|end| Some(*end)).chain([None]);
        starts
            .iter()
            .zip(ends)
            .map(|(start, end)| Range(*start, end))
            .collect()
    }

    /// Pages of a range, for the progress bar.
    pub fn pages_of(self, range: Range) -> u64 {
        let per_page = match self {
            Self::Ids(..) => ROWS_PER_PAGE,
            Self::Whole | Self::Pages(_) => 1,
        };
        let end = range.1.or(self.end()).unwrap_or(range.0 + 1);
        (end.saturating_sub(range.0) / per_page).max(1)
    }

    /// Takes a small piece, or one that is so many times as long, off the front of a range; what is
    /// left, unless nothing is.
    pub fn cut(self, range: Range, times: u64) -> (Range, Option<Range>) {
        let piece = match self {
            Self::Whole => return (range, None),
            Self::Pages(_) => PIECE_PAGES,
            Self::Ids(..) => PIECE_IDS,
        };
        let middle = range.0.saturating_add(piece.saturating_mul(times));
        match range.1.or(self.end()) {
            Some(end) if middle < end => {
                (Range(range.0, Some(middle)), Some(Range(middle, range.1)))
            }
            _ => (range, None),
        }
    }

    /// The condition for the rows of a range in a statement about `public.<table>`, and its
    /// parameters; none for all rows.
    pub fn place(self, table: &str, range: Range) -> (Option<String>, Vec<String>) {
        let (column, kind) = match self {
            Self::Whole => return (None, Vec::new()),
            Self::Pages(_) if range == Range(0, None) => return (None, Vec::new()),
            Self::Pages(_) => ("ctid", "tid"),
            Self::Ids(..) => ("id", "bigint"),
        };
        // The page numbers of tid have 32 bits.
        let bound = |number: u64| match self {
            Self::Ids(..) => number.to_string(),
            Self::Whole | Self::Pages(_) => format!("({number},0)"),
        };
        let column = format!("public.{}.{column}", quote_identifier(table));
        let from = format!("{column} >= $1::text::{kind}");
        match range.1 {
            None => (Some(from), vec![bound(range.0)]),
            Some(end) => (
                Some(format!("{from} AND {column} < $2::text::{kind}")),
                vec![bound(range.0), bound(end)],
            ),
        }
    }

    /// Where the last range ends, about.
    fn end(self) -> Option<u64> {
        match self {
            Self::Whole => None,
            Self::Pages(pages) => Some(pages),
            Self::Ids(_, last) => Some(last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_page_once_and_the_last_is_open() {
        for pages in [0, 1, 63, 64, 65, 1000, 100_000] {
            let ranges = Extent::Pages(pages).ranges(2, None);
            assert_eq!(ranges[0].0, 0);
            for pair in ranges.windows(2) {
                assert_eq!(pair[0].1, Some(pair[1].0));
            }
            assert_eq!(ranges.last().unwrap().1, None);
        }
        assert_eq!(Extent::Pages(100_000).ranges(2, None).len(), 32);
        assert_eq!(Extent::Whole.ranges(8, None), [Range(0, None)]);
    }

    #[test]
    fn a_low_rate_makes_small_ranges() {
        assert_eq!(Extent::Pages(10).ranges(1, Some(1)).len(), 10);
    }

    #[test]
    fn ids_that_were_skipped_make_no_more_ranges_than_fit_into_memory() {
        let far = Extent::above(1000, i64::MAX / 2);
        assert_eq!(far.ranges(2, None).len(), 4);
        assert_eq!(far.ranges(2, Some(1)).len(), 65_536);
    }

    #[test]
    fn pieces_cover_a_range_once_and_end_as_it_does() {
        let kinds = [
            Extent::Pages(1000),
            Extent::Ids(900, 100_000),
            Extent::Whole,
        ];
        for (extent, range) in kinds.into_iter().flat_map(|extent| {
            [
                Range(901, Some(931)),
                Range(901, Some(902)),
                Range(901, None),
            ]
            .map(|r| (extent, r))
        }) {
            let (mut first, mut rest) = extent.cut(range, 1);
            assert_eq!(first.0, range.0);
            while let Some(left) = rest {
                assert_eq!(first.1, Some(left.0));
                (first, rest) = extent.cut(left, 3);
            }
            assert_eq!(first.1, range.1);
        }
    }

    #[test]
    fn a_range_is_asked_for_by_page_or_by_id() {
        let (place, bounds) = Extent::Pages(1000).place("t", Range(64, Some(128)));
        let by_page = "public.\"t\".ctid >= $1::text::tid AND public.\"t\".ctid < $2::text::tid";
        assert_eq!(place.as_deref(), Some(by_page));
        assert_eq!(bounds, ["(64,0)", "(128,0)"]);
        let (place, bounds) = Extent::Ids(5, 9).place("t", Range(6, None));
        assert_eq!(
            place.as_deref(),
            Some("public.\"t\".id >= $1::text::bigint")
        );
        assert_eq!(bounds, ["6"]);
        assert_eq!(Extent::Pages(1000).place("t", Range(0, None)).0, None);
    }
}
