"""The C++ library, built and compared with Python."""
