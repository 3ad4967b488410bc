/* safetensors.h: tensors with names in a file: 8 bytes that give the header's length, a header in JSON, the data. Used
 * by models and checkpoints; knows base/ and file.h. The format: https://github.com/huggingface/safetensors
 *
 * What is read is checked before it is used: a file that was cut or damaged is an error that says where, never a
 * tensor that points out of it. Data is little-endian, and not copied: a tensor points into the file's bytes, where it
 * may stand unaligned. */
#ifndef FORMAT_SAFETENSORS_H
#define FORMAT_SAFETENSORS_H

#include "base/text.h"
#include <stdint.h>

typedef enum SafetensorsType {
    SAFETENSORS_F64,
    SAFETENSORS_F32,
    SAFETENSORS_F16,
    SAFETENSORS_BF16,
    SAFETENSORS_I64,
    SAFETENSORS_I32,
    SAFETENSORS_I16,
    SAFETENSORS_I8,
    SAFETENSORS_U64,
    SAFETENSORS_U32,
    SAFETENSORS_U16,
    SAFETENSORS_U8,
    SAFETENSORS_BOOL
} SafetensorsType;

enum { SAFETENSORS_RANK = 8 };

typedef struct SafetensorsTensor {
    const char *name;
    SafetensorsType type;
    int rank; /* 0: a scalar */
    int64_t shape[SAFETENSORS_RANK];
    const void *data; /* row-major */
} SafetensorsTensor;

typedef struct SafetensorsNote {
    const char *key, *value;
} SafetensorsNote;

size_t safetensors_elements(const SafetensorsTensor *t);
size_t safetensors_bytes(const SafetensorsTensor *t);
const char *safetensors_type_name(SafetensorsType type); /* "F32" */

/* Element i as a double: exact but for 64-bit integers beyond 2^53. */
double safetensors_value(const SafetensorsTensor *t, size_t i);
void safetensors_doubles(const SafetensorsTensor *t, double *out);
void safetensors_floats(const SafetensorsTensor *t, float *out); /* each rounded once */

/* ---- Reading ---- */

typedef struct Safetensors {
    SafetensorsTensor *tensor; /* in the order of the header */
    size_t count;
    SafetensorsNote *note; /* the metadata, without the checksum */
    size_t notes;
    const struct JsonValue *header;
    Arena arena;
    char *bytes; /* of a file that safetensors_open read; else NULL */
} Safetensors;

/* From memory, which must outlive f; `name` (a path) is for messages. Returns a status; on failure f is closed. */
int safetensors_read(Safetensors *f, const char *name, const void *bytes, size_t size, Error *e);
int safetensors_open(Safetensors *f, const char *path, Error *e);
void safetensors_close(Safetensors *f); /* fine on zeros and after a failure */

const SafetensorsTensor *safetensors_find(const Safetensors *f, const char *name); /* NULL if there is none */
const char *safetensors_note(const Safetensors *f, const char *key);               /* NULL if there is none */

/* ---- Writing ----
 * Tensors in the order given, under different names. The same arguments give the same bytes. The data begins at a
 * multiple of 8 bytes and leaves no gaps, so put types of larger elements first where alignment matters. The metadata
 * gets a note "crc32", the CRC-32 of the data as eight hexadecimal digits, which reading compares where it is there. */

int safetensors_write(Text *out, const SafetensorsTensor *tensor, size_t count, const SafetensorsNote *note,
                      size_t notes, Error *e);
int safetensors_save(const char *path, const SafetensorsTensor *tensor, size_t count,
                     const SafetensorsNote *note, size_t notes, Error *e);

#endif
