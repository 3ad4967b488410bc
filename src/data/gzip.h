/* gzip.h: unpacks a stream. For stream.c only; the one place that knows zlib. */
#ifndef DATA_GZIP_H
#define DATA_GZIP_H

#include "data/stream.h"

/* Makes `s` the unpacked form of s->inner (RFC 1952, any number of members). */
int gzip_start(Stream *s, Error *e);

#endif
