r"""What a command of LaTeX mathematics takes and how it behaves: the tables behind parser, canonical form and checks.

Sources: amsmath.sty, amssymb.sty, mathtools.sty, fontmath.ltx (TeX Live 2022), KaTeX 0.19 and mhchem 4. Private macros
and TeX's programming (`\def`, `\ifnum`, `\pdfliteral`) are not in them: what is not listed is `unknown`.
"""

from __future__ import annotations

# One letter an argument: m mathematics, o optional [mathematics], t text, r raw (a length, a color, a name),
# R optional raw, s a star, d a delimiter.
ARGUMENTS: dict[str, str] = {}


def _take(spec: str, names: str) -> None:
    ARGUMENTS.update((f"\\{name}", spec) for name in names.split())


_take("mm", "frac dfrac tfrac cfrac binom dbinom tbinom overset underset stackrel")
_take("om", "sqrt xrightarrow xleftarrow xmapsto xhookrightarrow xhookleftarrow xleftrightarrow xRightarrow "
            "xLeftarrow xLeftrightarrow xrightleftharpoons xleftrightharpoons xtwoheadrightarrow xlongequal")
FONT_COMMANDS = ("mathrm mathbf mathit mathsf mathtt mathcal mathbb mathfrak mathscr mathnormal boldsymbol bm pmb "
                 "Bbb frak")
_take("m", FONT_COMMANDS)
ALPHABETS = frozenset(f"\\{name}" for name in FONT_COMMANDS.split() if name not in ("bm", "boldsymbol", "pmb"))
"""Those that TeX switches by themselves, without packages."""
ACCENTS = "hat bar tilde vec dot ddot dddot ddddot check acute grave breve mathring widehat widetilde widecheck"
_take("m", ACCENTS)
_take("m", "overline underline overrightarrow overleftarrow overleftrightarrow underrightarrow underleftarrow "
           "underleftrightarrow overbrace underbrace overparen underparen boxed cancel bcancel xcancel substack "
           "pmod pod mathop mathbin mathrel mathord mathopen mathclose mathpunct mathinner phantom hphantom vphantom "
           "smash mathrlap mathllap mathclap operatorname operatornamewithlimits vdotswithin "
           "bra ket braket Bra Ket Braket underbar")
ARGUMENTS["\\operatorname"] = "sm"
ARGUMENTS["\\smash"] = "Rm"
_take("RRm", "overbracket underbracket")
TEXT_COMMANDS = ("text textrm textbf textit textsf texttt textup textnormal textsc textsl textmd emph mbox hbox fbox "
                 "framebox makebox llap rlap intertext shortintertext vbox vcenter")
_take("t", TEXT_COMMANDS)
_take("r", "ce cee pu label tag hspace vspace mspace color ref eqref cite unit si num textcircled MakeLowercase")
ARGUMENTS["\\tag"] = "sr"
ARGUMENTS["\\hspace"] = "sr"
_take("rm", "textcolor colorbox mathcolor")
_take("rr", "SI qty")
_take("rrrrmm", "genfrac")
_take("mm", "sideset")
_take("d", "bigl bigr bigm big Bigl Bigr Bigm Big biggl biggr biggm bigg Biggl Biggr Biggm Bigg")
_take("Rrr", "rule")
_take("r", "cline")
_take("rrr", "multicolumn")
_take("rt", "raisebox scalebox")
_take("m", "mathchoice")
ARGUMENTS["\\mathchoice"] = "mmmm"

INFIX = {r"\over": r"\frac", r"\choose": r"\binom", r"\atop": "", r"\brack": "", r"\brace": ""}
# A switch changes the font of the rest of its group.
FONT_SWITCHES = {r"\rm": r"\mathrm", r"\bf": r"\mathbf", r"\it": r"\mathit", r"\sf": r"\mathsf", r"\tt": r"\mathtt",
                 r"\cal": r"\mathcal", r"\mit": r"\mathnormal", r"\sl": r"\mathit"}
STYLES = frozenset((r"\displaystyle", r"\textstyle", r"\scriptstyle", r"\scriptscriptstyle"))
LENGTH_COMMANDS = frozenset((r"\hskip", r"\kern", r"\mskip", r"\mkern"))
# Width in em (18 mu) of spaces that are commands without an argument.
SPACES = {r"\,": 3 / 18, r"\thinspace": 3 / 18, r"\:": 4 / 18, r"\>": 4 / 18, r"\medspace": 4 / 18, r"\;": 5 / 18,
          r"\thickspace": 5 / 18, r"\!": -3 / 18, r"\negthinspace": -3 / 18, r"\negmedspace": -4 / 18,
          r"\negthickspace": -5 / 18, r"\ ": 0.33, "~": 0.33, r"\space": 0.33, r"\nobreakspace": 0.33,
          r"\enspace": 0.5, r"\enskip": 0.5, r"\quad": 1.0, r"\qquad": 2.0}
# Commands that put nothing on the paper.
INVISIBLE = frozenset((r"\nonumber", r"\notag", r"\relax", r"\allowbreak", r"\nobreak", r"\strut", r"\mathstrut",
                       r"\null", r"\empty", r"\/", r"\-", r"\displaylimits", r"\hfill", r"\hfil", r"\break",
                       r"\goodbreak", r"\protect"))

_ENVIRONMENTS_LIST = r"""
matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix smallmatrix array cases dcases rcases drcases aligned alignedat
gathered split align align* alignat alignat* flalign flalign* gather gather* multline multline* multlined
eqnarray eqnarray* equation equation* displaymath math matrix* pmatrix* bmatrix* Bmatrix* vmatrix* Vmatrix*
subarray psmallmatrix bsmallmatrix vsmallmatrix Vsmallmatrix Bsmallmatrix cases* dcases* CD
"""
ENVIRONMENTS = frozenset(_ENVIRONMENTS_LIST.split())
# What follows \begin{...}: r = {raw}, R = [raw] where present.
ENVIRONMENT_ARGUMENTS = {
    "array": "Rr", "alignedat": "Rr", "alignat": "r", "alignat*": "r", "subarray": "r", "aligned": "R",
    "gathered": "R", "multlined": "RR", **{f"{kind}matrix*": "R" for kind in ("", "p", "b", "B", "v", "V")},
}


def _names(text: str) -> frozenset[str]:
    return frozenset(f"\\{name}" for name in text.split())


# Classes as TeX gives them; they settle \dots and say where braces may go.
ORDINARY = _names(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa varkappa lambda mu nu xi pi varpi "
    "rho varrho sigma varsigma tau upsilon phi varphi chi psi omega digamma Gamma Delta Theta Lambda Xi Pi Sigma "
    "Upsilon Phi Psi Omega varGamma varDelta varTheta varLambda varXi varPi varSigma varUpsilon varPhi varPsi varOmega "
    "aleph beth gimel daleth hbar hslash ell wp Re Im imath jmath partial infty prime backprime emptyset varnothing "
    "nabla surd top bot angle measuredangle sphericalangle triangle triangledown vartriangle blacktriangle "
    "blacktriangledown forall exists nexists neg lnot flat natural sharp clubsuit diamondsuit heartsuit spadesuit "
    "mho eth Finv Game Bbbk square Box blacksquare lozenge Diamond blacklozenge bigstar circledS complement diagup "
    "diagdown backslash _ # $ % & S P dag ddag pounds copyright checkmark maltese yen circledR "
    "| Vert vert And textbullet textdegree degree AA aa ss ae AE oe OE o O i j l L mathsterling "
    "textbackslash textbar textbardbl textbraceleft textbraceright textdagger textdaggerdbl textdollar textellipsis "
    "textemdash textendash textgreater textless textquotedblleft textquotedblright textquoteleft textquoteright "
    "textregistered textsterling textunderscore textasciitilde textasciicircum lq rq TeX LaTeX hearts diamonds "
    "clubs spades Alpha Beta Epsilon Zeta Eta Iota Kappa Mu Nu Omicron omicron Rho Tau Chi")
NAMED_OPERATORS = _names(
    "arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf injlim ker lg lim liminf limsup ln log "
    "max min Pr projlim sec sin sinh sup tan tanh varinjlim varliminf varlimsup varprojlim")
BIG_OPERATORS = _names(
    "sum prod coprod int oint iint iiint iiiint idotsint oiint oiiint bigcap bigcup bigodot bigoplus bigotimes "
    "bigsqcup biguplus bigvee bigwedge intop ointop smallint")
BINARY = _names(
    "pm mp times div ast star circ bullet cdot centerdot cap cup uplus sqcap sqcup vee wedge lor land setminus "
    "smallsetminus wr diamond bigtriangleup bigtriangledown triangleleft triangleright lhd rhd unlhd unrhd oplus "
    "ominus otimes oslash odot bigcirc dagger ddagger amalg dotplus ltimes rtimes leftthreetimes rightthreetimes "
    "curlywedge curlyvee circleddash circledast circledcirc intercal boxplus boxminus boxtimes boxdot barwedge veebar "
    "doublebarwedge divideontimes Cap Cup doublecap doublecup gtrdot lessdot bmod")
RELATIONS = _names(
    "leq le geq ge neq ne equiv sim simeq approx cong propto asymp doteq models perp mid parallel bowtie Join smile "
    "frown prec succ preceq succeq ll gg lll ggg llless gggtr subset supset subseteq supseteq sqsubset sqsupset "
    "sqsubseteq sqsupseteq in ni owns notin vdash dashv leqq geqq leqslant geqslant eqslantless eqslantgtr lesssim "
    "gtrsim lessapprox gtrapprox approxeq lessgtr gtrless lesseqgtr gtreqless lesseqqgtr gtreqqless doteqdot Doteq "
    "risingdotseq fallingdotseq backsim backsimeq subseteqq supseteqq Subset Supset preccurlyeq succcurlyeq "
    "curlyeqprec curlyeqsucc precsim succsim precapprox succapprox vartriangleleft vartriangleright trianglelefteq "
    "trianglerighteq vDash Vdash Vvdash smallsmile smallfrown shortmid shortparallel bumpeq Bumpeq between pitchfork "
    "varpropto blacktriangleleft blacktriangleright therefore because backepsilon eqcirc circeq triangleq thicksim "
    "thickapprox eqsim nless nleq nleqslant nleqq lneq lneqq lvertneqq lnsim lnapprox nprec npreceq precneqq precnsim "
    "precnapprox nsim nshortmid nmid nvdash nvDash nVdash nVDash ntriangleleft ntrianglelefteq nsubseteq subsetneq "
    "varsubsetneq subsetneqq varsubsetneqq nsubseteqq ngtr ngeq ngeqslant ngeqq gneq gneqq gvertneqq gnsim gnapprox "
    "nsucc nsucceq succneqq succnsim succnapprox ncong nshortparallel nparallel ntriangleright ntrianglerighteq "
    "nsupseteq supsetneq varsupsetneq supsetneqq varsupsetneqq nsupseteqq "
    "leftarrow gets rightarrow to uparrow downarrow leftrightarrow updownarrow Leftarrow Rightarrow Uparrow Downarrow "
    "Leftrightarrow Updownarrow mapsto longmapsto hookleftarrow hookrightarrow leftharpoonup rightharpoonup "
    "leftharpoondown rightharpoondown rightleftharpoons leftrightharpoons longleftarrow longrightarrow "
    "longleftrightarrow Longleftarrow Longrightarrow Longleftrightarrow implies impliedby iff nearrow searrow swarrow "
    "nwarrow leadsto dashrightarrow dashleftarrow leftleftarrows rightrightarrows leftrightarrows rightleftarrows "
    "upuparrows downdownarrows Lleftarrow Rrightarrow twoheadleftarrow twoheadrightarrow leftarrowtail rightarrowtail "
    "looparrowleft looparrowright curvearrowleft curvearrowright circlearrowleft circlearrowright Lsh Rsh "
    "rightsquigarrow leftrightsquigarrow multimap upharpoonleft upharpoonright downharpoonleft downharpoonright "
    "restriction nleftarrow nrightarrow nLeftarrow nRightarrow nleftrightarrow nLeftrightarrow origof imageof "
    "coloneqq Coloneqq coloneq Coloneq eqqcolon Eqqcolon eqcolon Eqcolon colonapprox Colonapprox colonsim Colonsim "
    "approxcolon simcolon dblcolon vcentcolon ratio")
OPENING = _names("langle lceil lfloor lbrace lbrack lvert lVert lgroup lmoustache ulcorner llcorner lparen { llbracket")
CLOSING = _names("rangle rceil rfloor rbrace rbrack rvert rVert rgroup rmoustache urcorner lrcorner rparen } rrbracket")
PUNCTUATION = _names("colon cdotp ldotp")
DOTS = _names("dots dotsc dotsb dotsm dotsi dotso ldots cdots vdots ddots iddots mathellipsis")
OTHER = _names("not limits nolimits middle hline cr newline slash mathchar hdots centernot joinrel Relbar relbar")
DELIMITERS = (OPENING | CLOSING | _names("| Vert vert backslash uparrow downarrow updownarrow Uparrow Downarrow "
                                        "Updownarrow arrowvert Arrowvert bracevert") | frozenset("()[]|/.<>"))

KNOWN = frozenset().union(
    ARGUMENTS, INFIX, FONT_SWITCHES, STYLES, LENGTH_COMMANDS, SPACES, INVISIBLE, ORDINARY, NAMED_OPERATORS,
    BIG_OPERATORS, BINARY, RELATIONS, OPENING, CLOSING, PUNCTUATION, DOTS, OTHER)
