/* dataset.h: rows of numbers in memory: what the trainer reads. Made by encode.c and idx.c, or by a caller who has
 * arrays. Core: knows base/ only, no files. */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum DataType { DATA_F32, DATA_F64, DATA_I32, DATA_U8 } DataType; /* storage of x and t */
enum { DATA_TYPES = 4, DATA_RANK = 8 };

typedef struct Dataset {
    size_t rows, features, targets; /* x [rows, features], t [rows, targets] */
    DataType x_type, t_type;        /* t DATA_I32: class numbers 0..classes-1, -1 where there is none */
    const void *x, *t;              /* t NULL: prediction */
    const double *weight;           /* [rows]; NULL: all 1 */
    size_t classes;                 /* 0 unless t holds class numbers */
    bool labels;                    /* t holds 0 and 1: each target is so or not so */
    bool reconstruct;               /* t is x: what goes in is what is to come out */
    size_t vocabulary;              /* x DATA_I32: tokens 0..vocabulary-1; 0: x holds numbers */
    size_t padding;                 /* the token behind the end of a text; 0: there is none */
    bool next;                      /* t: the tokens that come next */
    const size_t
        *start;   /* [rows]: the element of x, and of t, where a row begins; NULL: one after the other */
    bool stream;  /* a row goes on where the one before it ends: windows of one text */
    bool ordered; /* rows follow each other in time: the last ones are held out, not random ones */
    size_t slide; /* in training, rows may begin up to so many elements earlier */
    int x_rank;
    size_t x_shape[DATA_RANK]; /* of one sample, e.g. {1, 28, 28}; the product is features */
    void *owned[3];            /* blocks that dataset_free releases */
} Dataset;

void dataset_free(Dataset *d);

/* Makes the inputs the targets, whatever these were. */
void dataset_reconstruct(Dataset *d);

size_t data_size(DataType type); /* bytes of an element */

/* to[0..n) = from[0..n), converted: exact where `to` can hold the value, rounded to nearest, clamped to integers. */
void data_convert(void *to, DataType to_type, const void *from, DataType from_type, size_t n);

/* Copies rows[0..n) into a batch: x [n, features], t [n, targets], weight [n]. t and weight may be NULL. */
void dataset_gather(const Dataset *d, const size_t *rows, size_t n, void *x, DataType x_to, void *t,
                    DataType t_to, double *weight);

/* Divides the rows by `fraction` into training and validation. order [rows] gets the training rows, then the
 * validation rows, each ascending; *train is the number of the former, at least 1. With classes the parts are
 * stratified: a class of two rows or more has rows in training, and all classes share the validation part in
 * proportion, the small ones first. Of ordered rows the last ones are held out. The same seed gives the same parts. */
int dataset_split(const Dataset *d, double fraction, uint64_t seed, size_t *order, size_t *train, Error *e);

/* Shuffles order[0..n) for an epoch. What comes out depends on what went in, seed and epoch only. */
void dataset_shuffle(size_t *order, size_t n, uint64_t seed, uint64_t epoch);

/* The i-th of n rows when they are read as so many streams side by side, each a run of rows, of lengths that differ by at
 * most one, the longer ones first. A batch has the next row of each stream; the last one may lack the shorter ones. */
size_t dataset_stream(size_t n, size_t streams, size_t i);

/* *view is the dataset with its rows begun earlier by what an epoch draws from `slide`; the same without. */
void dataset_slide(Dataset *view, const Dataset *d, uint64_t seed, uint64_t epoch);

/* Deals the rows into k folds for cross-validation: fold [rows] gets numbers 0..k-1. Sizes differ by at most 1, also
 * within a class. Of ordered rows a fold is a run. */
int dataset_folds(const Dataset *d, size_t k, uint64_t seed, size_t *fold, Error *e);

#endif
