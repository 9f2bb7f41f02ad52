import pytest
from support.own_strategy import SecondTry

from compute_aligned.files.errors import InputError
from compute_aligned.method.strategy_text import parse_strategy

NO_CALL = "literal keyword arguments, each given once"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("PassAtN(n=0)", "n=0"),
        ("PassAtN(n=-3)", "n=-3"),
        ("PassAtN(n=2.0)", r"n=2\.0"),
        ("PassAtN(n=True)", "n=True"),
        ("BestOfN(n='4')", "n='4'"),
        ("MajorityVote(n=4, k=5)", "k=5.*n=4"),
        ("MajorityVote(n=4, k=0)", "k=0.*n=4"),
        ("MajorityVote(n=4, k=None)", "k=None.*n=4"),
        ("MajorityVote(n=4)", "missing a required argument: 'k'"),
        ("SingleSample(n=1)", "unexpected keyword argument 'n'"),
        ("PassAtK(n=4)", "no strategy is named PassAtK"),
        ("BinomialStrategy()", "no strategy is named BinomialStrategy"),
        ("PassAtN(4)", NO_CALL),
        ("PassAtN(n=size)", NO_CALL),
        ("PassAtN(n=4, n=8)", NO_CALL),
        ("PassAtN(n=__import__('os').getpid())", NO_CALL),
        ("PassAtN", NO_CALL),
        ("strategies.PassAtN(n=4)", NO_CALL),
        ("PassAtN(n=4", NO_CALL),
        ("", NO_CALL),
    ],
)
def test_a_wrong_row_is_refused_with_its_text_and_the_reason(text, problem):
    with pytest.raises(InputError, match=problem) as caught:
        parse_strategy(text)
    assert caught.value.where == text


def test_an_unknown_name_is_answered_with_the_nearest_and_all_known_ones():
    with pytest.raises(InputError, match="did you mean MajorityVote") as caught:
        parse_strategy("MajorityVotes(n=4, k=2)")
    for name in ("SingleSample", "PassAtN", "MajorityVote", "BestOfN", SecondTry.__name__):
        assert name in caught.value.remedy
