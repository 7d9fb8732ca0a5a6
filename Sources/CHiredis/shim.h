// The codec half of hiredis: its reply reader and its command formatter. Bytes travel over NIO.
#include <hiredis/hiredis.h>
