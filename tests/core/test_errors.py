from core.errors import InternalError, TriviumError, UnknownName


def test_an_unknown_name_comes_with_the_nearest_known_one():
    error = UnknownName("suite", "bankin77", ["banking77", "negex"])
    assert str(error) == ("There is no suite named 'bankin77'. Did you mean 'banking77'? Known: banking77, negex.")
    assert isinstance(error, TriviumError) and error.exit_code == 1


def test_what_the_user_cannot_mend_has_another_exit_code():
    assert InternalError("x").exit_code == 2
