"""The letters that languages are written with, by frequency. They tell in which encoding a text makes sense.

For the Latin script, only letters beyond ASCII are listed, because all encodings agree on the others.
"""

from __future__ import annotations

import math
from functools import cache

# Most frequent letters first.
LATIN = {
    "German": "üäöß",
    "French": "éèàêçôîûùâïœëæ",
    "Spanish": "óíáñéúü",
    "Portuguese": "ãçáéóíêõâúôà",
    "Italian": "àèùòìé",
    "Catalan": "óàèéíçòúïü",
    "Dutch": "ëéïöü",
    "Swedish": "äåöé",
    "Danish": "øåæé",
    "Finnish": "äöå",
    "Icelandic": "íáðóéþúæöý",
    "Polish": "łóążęśćńź",
    "Czech": "íáéýěščřžůúťňďó",
    "Slovak": "áíéýčšúžľťňôóďäĺŕ",
    "Hungarian": "áéöóőíüúű",
    "Romanian": "ăîâșțşţ",
    "Croatian": "šžčćđ",
    "Turkish": "ıüşöçğİâî",
}
OTHER_ALPHABETS = {
    "Russian": "оаеинтрслквпмдяьуызгбчйхжшюцщфэъё",
    "Ukrainian": "оанитіверслкдмупзьяйбгхчшжюїєцщфґ",
    "Bulgarian": "аиоенртвслкдпмзягуъбчцжщшхйюфь",
    "Serbian": "аоиенрсјтукдвлпмзгбљшњжчцхћфђџ",
    "Greek": "αοιετνσρκπλμυςηίόωάγδέήθφχβύώξζψϊϋΐΰ",
}
# The most frequent characters of the languages that have thousands of them.
FREQUENT_CHARACTERS = {
    "Japanese": (
        "のいるにはをたがでとしれさなってすくりらまもきかあおこうどそよみえだめわじせちつけばやべげごずぶほび"
        "ろんひふへむゆねぬーンスルトリアイラクシドタレロテフマサコカムメニジキチパバプグデベダブピボポツネナ"
        "ハビミオエソウノモセケホヘワ、。・「」（）ッャュョャァィゥェォ日本人大年中国一時分上下子用品色木製白"
        "黒青赤小新型電水入付"
    ),
    "Simplified Chinese": (
        "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里"
        "用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心本前开但因只从想实日"
        "者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应向头文体美相见被"
        "利二等产或新制身果加西月话合回特代内信表化老给世位次度门任常先海通教原东声提立及比员解水名真处各入几"
        "口条平系气活更别打女变四神总电数安少报才结反受目太量再感建务做接场件计管期市直资金指统区保形社便空展"
        "马科五基书非白界达光放强即设式色路记南品住类求据程北边交规万取格望术领共确清切带导运红木床桌椅灯布棉"
        "衣包杯刀钢铁纸套装，。、（）"
    ),
    "Traditional Chinese": (
        "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡"
        "用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心本前開但因只從想實日"
        "者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很最重並物手應向頭文體美相見被"
        "利二等產或新製身果加西月話合回特代內信表化老給世位次度門任常先海通教原東聲提立及比員解水名真處各入幾"
        "口條平系氣活更別打女變四神總電數安少報才結反受目太量再感建務做接場件計管期市直資金指統區保形社便空展"
        "馬科五基書非白界達光放強即設式色路記南品住類求據程北邊交規萬取格望術領共確清切帶導運紅木床桌椅燈布棉"
        "衣包杯刀鋼鐵紙套裝，。、（）"
    ),
    "Korean": (
        "이다는의에가을고로하은지를한도사어자기리나서시인대아스해들라그수있정부일과보제장여전상주구만공동원용"
        "성신안세조우비유소명화트드터크르니러게면모경내관국진개것없년물식위실회중계체방무선현연문발미당등학단"
        "적분말외력생운결재산교저설반속강음차청심색접호추천통포프파카타토레네노마바오요거더래려루르린립마매목"
        "백별복본블빨상석"
    ),
}
# The code points of the characters that a language uses beside its frequent ones, and how likely each of them is.
HAN, KANA, HANGUL = range(0x4E00, 0xA000), range(0x3041, 0x30FF), range(0xAC00, 0xD7A4)
# Characters of the level 1 of a national standard, by the first of their two bytes, are those in everyday use.
EVERYDAY = {
    "Japanese": ("euc_jp", range(0xB0, 0xD0)),
    "Simplified Chinese": ("gb2312", range(0xB0, 0xD8)),
    "Traditional Chinese": ("big5", range(0xA4, 0xC7)),
    "Korean": ("euc_kr", range(0xB0, 0xC9)),
}
LOG_FOREIGN = -7.0
LOG_FREQUENT, LOG_EVERYDAY, LOG_RARE = -6.4, -9.0, -13.0

SCRIPTS = (
    ("Latin", range(0xC0, 0x250)),
    ("Greek", range(0x370, 0x400)),
    ("Cyrillic", range(0x400, 0x530)),
    ("Kana", KANA),
    ("Han", HAN),
    ("Hangul", HANGUL),
)
LANGUAGES_OF_SCRIPT = {
    "Latin": tuple(LATIN),
    "Greek": ("Greek",),
    "Cyrillic": ("Russian", "Ukrainian", "Bulgarian", "Serbian"),
    "Kana": ("Japanese",),
    "Han": ("Japanese", "Simplified Chinese", "Traditional Chinese"),
    "Hangul": ("Korean",),
}
LANGUAGES = (*LATIN, *OTHER_ALPHABETS, *FREQUENT_CHARACTERS)


@cache
def find_script(letter: str) -> str:
    """Return the script of a letter, "" if it is none of `SCRIPTS`."""
    if letter.isascii():
        return "Latin" if letter.isalpha() else ""
    code = ord(letter[0])
    return next((name for name, codes in SCRIPTS if code in codes), "")


@cache
def letter_logs(letter: str) -> tuple[float, ...]:
    """Return the logarithm of the probability of a letter beyond ASCII in each of `LANGUAGES`."""
    return tuple(_letter_log(letter, language) for language in LANGUAGES)


def _letter_log(letter: str, language: str) -> float:
    if language in FREQUENT_CHARACTERS:
        return _character_log(letter, language)
    alphabet = LATIN.get(language) or OTHER_ALPHABETS[language]
    lower = letter if letter in alphabet else letter.lower()
    if lower not in alphabet:
        return LOG_FOREIGN if language in LANGUAGES_OF_SCRIPT.get(find_script(lower), ()) else LOG_RARE
    weights = [math.exp(-3 * rank / len(alphabet)) for rank in range(len(alphabet))]
    return math.log(weights[alphabet.index(lower)] / sum(weights))


def _character_log(character: str, language: str) -> float:
    if character in FREQUENT_CHARACTERS[language]:
        return LOG_FREQUENT
    codec, first_bytes = EVERYDAY[language]
    try:
        encoded = character.encode(codec)
    except UnicodeEncodeError:
        return 2 * LOG_RARE
    return LOG_EVERYDAY if encoded[0] in first_bytes and len(encoded) == 2 else LOG_RARE
