/* rows.h: the lists that the rows of nn/ stand in, by topic. Used by nn/ only. */
#ifndef NN_ROWS_H
#define NN_ROWS_H

#include "nn/nn.h"

extern const Definition nn_layers[], nn_images[], nn_norms[], nn_attention[], nn_recurrent[], nn_losses[],
    nn_optimizers[], nn_schedules[], nn_regularisers[], nn_initialisers[];
extern const size_t nn_layers_count, nn_images_count, nn_norms_count, nn_attention_count, nn_recurrent_count,
    nn_losses_count, nn_optimizers_count, nn_schedules_count, nn_regularisers_count, nn_initialisers_count;

#endif
