/* lexer.h: the words of a text. Used by syntax.c only; knows base/ and where a text comes from. */
#ifndef NOTATION_LEXER_H
#define NOTATION_LEXER_H

#include "graph/graph.h"

/* A text and what it is, for messages. */
typedef struct Source {
    const char *title;
    const char *text;
} Source;

/* A token of one character has that character as its kind; ';' also stands for a line end. */
enum {
    TOKEN_END,
    TOKEN_NUMBER = 256,
    TOKEN_NAME,
    TOKEN_REST,    /* .. */
    TOKEN_TO,      /* -> */
    TOKEN_BECOMES, /* <- */
    TOKEN_LESSEN,  /* -= */
    TOKEN_ENLARGE, /* += */
    TOKEN_LE,
    TOKEN_GE,
    TOKEN_EQ,
    TOKEN_NE
};

typedef struct Token {
    int kind;
    int at, end; /* offsets in the text */
    double number;
} Token;

typedef struct Lexer {
    const Source *source;
    Error *error;
    int at;
    int brackets; /* open ( and [ : inside them a line end is a blank */
    Token token;  /* the current one */
} Lexer;

/* Stands before the first token. */
void lexer_start(Lexer *l, Error *error, const Source *source);

/* Moves to the next token; raises on a character that starts none. */
void lexer_next(Lexer *l);

/* The token after the current one. */
Token lexer_peek(const Lexer *l);

/* Reads the current two-character token again as its first character alone: "x<-1" inside an expression. */
void lexer_split(Lexer *l);

_Noreturn void lexer_raise(const Lexer *l, int at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
