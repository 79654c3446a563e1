// The bytes of the file VMFB between two symbols, from a multiple of 64 on: used where they lie, without a copy.
    .section .rodata
    .balign 4096
    .global model_begin
    .global model_end
model_begin:
    .incbin VMFB
model_end:
    .byte 0
    .section .note.GNU-stack,"",%progbits
