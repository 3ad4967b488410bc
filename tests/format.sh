# Every C file is formatted as the project's .clang-format says.
# labels: source
exec "$SOURCE/script/format" --check
