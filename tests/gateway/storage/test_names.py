import re

from gateway.storage.names import generate_name


def test_generated_names_end_in_five_consonants_or_digits() -> None:
    made = {generate_name("job-") for _ in range(50)}
    assert len(made) > 40
    assert all(re.fullmatch("job-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in made)


def test_a_long_prefix_is_cut_so_that_the_name_fits_a_label() -> None:
    assert len(generate_name("x" * 80)) == 63
