import pytest
from paging import Page, count_pages, page_links, paginate


@pytest.mark.parametrize(("total", "pages"), [(0, 1), (1, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_count_pages_rounds_up(total, pages):
    assert count_pages(total, 10) == pages


@pytest.mark.parametrize(("total", "pages"), [(2, 1), (12, 1), (13, 2), (20, 2), (22, 2), (23, 3)])
def test_orphans_join_page_before(total, pages):
    assert count_pages(total, 10, 2) == pages


def test_bad_page_maths_is_rejected():
    for total, per_page in [(-1, 5), (5, 0)]:
        with pytest.raises(ValueError, match=r"^total must"):
            count_pages(total, per_page)
    for orphans in (5, -1):
        with pytest.raises(ValueError, match=r"^orphans must"):
            count_pages(5, 5, orphans)
    assert count_pages(0, 1, 0) == 1
    assert count_pages(6, 5, 4) == 1


def test_paginate_slices_items():
    page = paginate("abcdefgh", 2, 3)
    assert page == Page(["d", "e", "f"], 2, 3, 3, 8)
    assert paginate("abcdefgh", 3, 3).items == ["g", "h"]
    assert paginate("abcd", 2, 3).items == ["d"]


def test_paginate_defaults_to_first_twenty():
    page = paginate(range(45))
    assert page.items == list(range(20))
    assert (page.number, page.pages, page.start, page.total) == (1, 3, 0, 45)


def test_paginate_last_page_takes_orphans():
    page = paginate("abcdefg", 2, 3, orphans=1)
    assert page.items == ["d", "e", "f", "g"]
    assert page.pages == 2
    assert paginate("abcdefg", 1, 3, orphans=1).items == ["a", "b", "c"]


def test_paginate_empty_list_has_one_page():
    page = paginate([])
    assert (page.items, page.pages) == ([], 1)
    assert page.summary() == "0 of 0"


@pytest.mark.parametrize("number", [-1, 0, 4])
def test_number_outside_is_rejected(number):
    with pytest.raises(ValueError, match="outside"):
        paginate("abcdefgh", number, 3)


@pytest.mark.parametrize(("number", "used"), [(-1, 1), (0, 1), (2, 2), (3, 3), (4, 3)])
def test_clamp_uses_nearest_number(number, used):
    assert paginate("abcdefgh", number, 3, clamp=True).number == used


def test_page_items_are_independent():
    items = [1, 2, 3]
    page = paginate(items)
    page.items.append(4)
    assert items == [1, 2, 3]
    assert isinstance(paginate("ab").items, list)
    with pytest.raises(AttributeError):
        page.number = 2


def test_neighbours_end_at_first_and_last_page():
    first, middle, last = (paginate("abcdefgh", number, 3) for number in (1, 2, 3))
    assert (first.previous, first.next) == (None, 2)
    assert (middle.previous, middle.next) == (1, 3)
    assert (last.previous, last.next) == (2, None)


def test_summary_counts_from_one():
    assert paginate("abcdefgh", 1, 3).summary() == "1-3 of 8"
    assert paginate("abcdefgh", 3, 3).summary() == "7-8 of 8"


def test_links_show_window_and_edges():
    assert page_links(10, 20) == [1, None, 8, 9, 10, 11, 12, None, 20]
    assert page_links(1, 20) == [1, 2, 3, None, 20]
    assert page_links(20, 20) == [1, None, 18, 19, 20]


def test_links_fill_gap_of_single_page():
    assert page_links(5, 9) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert page_links(6, 11) == [1, None, 4, 5, 6, 7, 8, None, 11]


def test_links_without_edges_end_in_gaps():
    assert page_links(10, 20, edges=0) == [None, 8, 9, 10, 11, 12, None]
    assert page_links(4, 7, edges=0) == [1, 2, 3, 4, 5, 6, 7]
    assert page_links(3, 5, edges=0) == [1, 2, 3, 4, 5]


def test_links_with_wider_edges():
    assert page_links(9, 20, around=0, edges=2) == [1, 2, None, 9, None, 19, 20]
    assert page_links(1, 1) == [1]


def test_links_reject_bad_arguments():
    for number, pages in [(0, 5), (6, 5)]:
        with pytest.raises(ValueError, match="outside"):
            page_links(number, pages)
    with pytest.raises(ValueError, match="negative"):
        page_links(1, 5, around=-1)
    with pytest.raises(ValueError, match="negative"):
        page_links(1, 5, edges=-1)
