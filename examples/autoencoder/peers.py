# The reconstruction of MNIST's test images from 32 principal components of the training images: the figures in README.md.
# Not needed to run the example.
import gzip

import numpy as np


def images(path):
    with gzip.open(path) as file:
        return np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 784) / 255


x = images("../digits/train-images-idx3-ubyte.gz")
test = images("../digits/t10k-images-idx3-ubyte.gz")
mean = x.mean(0)
_, vectors = np.linalg.eigh((x - mean).T @ (x - mean))
largest = vectors[:, -32:]
error = (test - mean) @ largest @ largest.T + mean - test
spread = test - test.mean(0)
print(f"mse {(error ** 2).mean():.5f}, rmse {(error ** 2).mean() ** 0.5:.4f}, "
      f"explained {1 - (error ** 2).sum() / (spread ** 2).sum():.4f}")
