/* lexer.c: see lexer.h. */
#include "notation/lexer.h"

#include <string.h>

static bool lexer_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool lexer_digit(char c)
{
    return c >= '0' && c <= '9';
}

void lexer_start(Lexer *l, Error *error, const Source *source)
{
    *l = (Lexer){.source = source, .error = error};
}

void lexer_raise(const Lexer *l, int at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    origin_raise(l->error, &(Origin){l->source->title, l->source->text, at, NULL}, format, args);
}

/* A line end closes a statement only where one can end, so that a line may end in an operator or a comma. */
static bool lexer_ends(const Lexer *l)
{
    int last = l->token.kind;
    return l->brackets == 0 &&
           (last == TOKEN_NUMBER || last == TOKEN_NAME || (last < 128 && last && strchr(")]}'", last)));
}

static const char *lexer_digits(const char *s)
{
    while (lexer_digit(*s))
        s++;
    return s;
}

/* Digits with a point somewhere, then an exponent if digits follow it. Found here, since number_read would look for the
 * end of the text each time. */
static const char *lexer_number_end(const char *s)
{
    s = lexer_digits(s);
    if (*s == '.' && s[1] != '.') s = lexer_digits(s + 1);
    const char *exponent = s + 1;
    if (*s != 'e' && *s != 'E') return s;
    if (*exponent == '-' || *exponent == '+') exponent++;
    return lexer_digit(*exponent) ? lexer_digits(exponent) : s;
}

static Token lexer_number(Lexer *l)
{
    const char *s = l->source->text + l->at, *after = lexer_number_end(s);
    Token t = {.kind = TOKEN_NUMBER, .at = l->at, .end = l->at + (int)(after - s)};
    number_read(s, after, &t.number);
    if (lexer_letter(*after))
        lexer_raise(l, t.end, "a number and a name stand side by side; for a product write * between them");
    return t;
}

static Token lexer_name(const Lexer *l)
{
    const char *text = l->source->text;
    int end = l->at;
    while (lexer_letter(text[end]) || lexer_digit(text[end]))
        end++;
    return (Token){.kind = TOKEN_NAME, .at = l->at, .end = end};
}

/* The whole character, however many bytes it has, so that a message can show it. */
static int lexer_bytes(const char *s)
{
    int n = 1;
    while (((unsigned char)s[n] & 0xC0) == 0x80)
        n++;
    return n;
}

static Token lexer_sign(const Lexer *l)
{
    static const struct {
        const char text[3];
        int kind;
    } pair[] = {{"..", TOKEN_REST},   {"->", TOKEN_TO},      {"<-", TOKEN_BECOMES},
                {"-=", TOKEN_LESSEN}, {"+=", TOKEN_ENLARGE}, {"<=", TOKEN_LE},
                {">=", TOKEN_GE},     {"==", TOKEN_EQ},      {"!=", TOKEN_NE}};
    const char *s = l->source->text + l->at;
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++)
        if (!strncmp(s, pair[i].text, 2)) return (Token){.kind = pair[i].kind, .at = l->at, .end = l->at + 2};
    if (!strchr("()[]{},;:?+-*/@^'<>=|~.", *s))
        lexer_raise(l, l->at, "%.*s means nothing in a formula", lexer_bytes(s), s);
    return (Token){.kind = *s, .at = l->at, .end = l->at + 1};
}

static Token lexer_read(Lexer *l)
{
    const char *text = l->source->text;
    for (; strchr(" \t\r\n", text[l->at]) && text[l->at]; l->at++)
        if (text[l->at] == '\n' && lexer_ends(l)) return (Token){.kind = ';', .at = l->at, .end = l->at + 1};
    char c = text[l->at];
    if (!c) return (Token){.kind = TOKEN_END, .at = l->at, .end = l->at};
    if (lexer_letter(c)) return lexer_name(l);
    if (lexer_digit(c) || (c == '.' && lexer_digit(text[l->at + 1]))) return lexer_number(l);
    return lexer_sign(l);
}

void lexer_next(Lexer *l)
{
    l->token = lexer_read(l);
    l->at = l->token.end;
    if (l->token.kind == '(' || l->token.kind == '[') l->brackets++;
    if ((l->token.kind == ')' || l->token.kind == ']') && l->brackets) l->brackets--;
}

Token lexer_peek(const Lexer *l)
{
    Lexer ahead = *l;
    lexer_next(&ahead);
    return ahead.token;
}

void lexer_split(Lexer *l)
{
    l->token.kind = l->source->text[l->token.at];
    l->token.end = l->at = l->token.at + 1;
}
