"""Is a prompt English? Told by its small words, without a model."""

import re

_ENGLISH_WORDS = (
    "the of and to is are was what how why who when where which with this that these you your i my me we"
    " our for from in on it its as at by be have has do does can could would should will not but if or a"
    " an please write give make create explain about into than then there their they he she his her hi"
    " hello act want need using use list following"
)
_ENGLISH = frozenset(_ENGLISH_WORDS.split())
_OTHERS = {
    "German": "der die das und ist nicht ich du wir ein eine einen mit für auf wie kannst bitte dass auch von zu"
    " dem den es dir mir mein kann schreibe über hallo sind oder wenn werden",
    "French": "le la les des une est et je tu vous nous pour dans que qui avec sur pas ce cette comment bonjour"
    " peux moi mon sont être du au aux écris sans mais",
    "Spanish": "el la los las una es y que de en para por con como cómo no yo tú hola qué puedes mi su está estás"
    " del al escribe pero más quiero",
    "Portuguese": "o os uma é e que de em para por com como não eu você olá qual meu sua está do da dos das ao faça"
    " escreva mas mais quero um",
    "Italian": "il lo gli una è e che di per con come non io ciao puoi mio sono della del nel alla dei scrivi anche più questo cosa un",
    "Dutch": "de het een en is niet ik je wij met voor op hoe kun wat van dat zijn naar ook maar schrijf graag mijn aan",
    "Scandinavian": "om den og er ikke jeg du det en et på som til av med hvordan kan vad är inte jag och att för"
    " ett hur skriv hej hei min",
    "Polish": "i nie jest się na z do że jak co to czy napisz dla w ja mnie proszę są po jest oraz",
    "Turkish": "ve bir bu için ile ne nasıl mı mi ben sen bana yaz olarak çok daha gibi var olan merhaba",
    "Indonesian": "yang dan di untuk dengan ini itu saya apa bagaimana adalah tidak dari buatkan kamu akan pada bisa",
    "Romanian": "și este nu eu tu pentru cu ce cum care în la de un o sunt din mai scrie să",
    "Finnish": "ja on ei minä sinä mitä miten että se kuin olen tämä voit kirjoita mutta tai ovat",
    "Hungarian": "és a az nem hogy van egy mi én te ez kérlek írj meg mint vagy is",
    "Czech": "a je se na v že jak co to ne pro s já ty jsem prosím napiš jsou ale nebo",
    "Vietnamese": "và là của tôi bạn cho không những một các với có được như thế nào hãy viết về trong",
}
_OTHER_WORDS = {
    name: frozenset(word for word in words.split() if len(word) > 1 or word > "z") - _ENGLISH for name, words in _OTHERS.items()
}
LARGEST_FOREIGN_SHARE = 0.5
SMALLEST_OTHER_SHARE = 0.12
SHORT_WORDS = 12


def is_english(text: str) -> bool:
    """Whether a prompt is mostly English, told by its small words; when in doubt, it is kept.

    Not English: more than half of its letters are of no Latin alphabet; or the small words of one other language
    outnumber the English ones, are 12 % of all words or more, and are of three kinds (two in a text of up to 12 words).
    Fenced code is left out. Other code has small words of no language and is kept, as are names, formulas and lists; a
    classifier trained on prose drops them. A short greeting without small words can slip through.
    """
    prose = re.sub(r"```.*?(?:```|\Z)", " ", text, flags=re.DOTALL)
    letters = [character for character in prose if character.isalpha()]
    foreign = sum(character > "\u024f" and not "\u1e00" <= character <= "\u1eff" for character in letters)
    if letters and foreign / len(letters) > LARGEST_FOREIGN_SHARE:
        return False
    words = re.findall(r"\b[^\W\d_]+\b", prose.lower())
    english = sum(word in _ENGLISH for word in words)
    kinds_needed = 2 if len(words) <= SHORT_WORDS else 3
    for small in _OTHER_WORDS.values():
        found = [word for word in words if word in small]
        if len(found) > max(english, SMALLEST_OTHER_SHARE * len(words)) and len(set(found)) >= kinds_needed:
            return False
    return True
