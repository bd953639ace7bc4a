# x87 and SSE2 in user mode (ring-0 SSE fails on some hosts' KVM); results printed as bits.
.include "long64.inc"
.macro user_show name, code_label
    user_call \code_label
    show \name, rdi
.endm
main:
    user_show sse_arith, f_arith
    user_show sse_convert, f_convert
    user_show sse_compare, f_compare
    user_show sse_single, f_single
    user_show sse_integer, f_integer
    user_show sse_shuffle, f_shuffle
    user_show sse_special, f_special
    user_show mxcsr, f_mxcsr
    user_show rounding, f_rounding
    user_show x87_arith, f_x87
    user_show x87_stack, f_x87_stack
    user_show x87_integer, f_x87_int
    user_show x87_extended, f_x87_ext
    user_show x87_compare, f_x87_cmp
    user_show x87_status, f_x87_status
    user_show fxsave, f_fxsave
    user_show mmx, f_mmx
    quit

.section .rodata
.balign 16
d_pi: .double 3.141592653589793, 2.718281828459045
d_third: .double 0.3333333333333333, -1.5e300
d_big: .double 1e308, 1e-308
s_vec: .float 1.5, -2.25, 3e10, 7.75
s_vec2: .float 0.1, 0.2, -0.3, 1e20
i_vec: .quad 0x0102030405060708, 0x8090a0b0c0d0e0f0
i_vec2: .quad 0x00ff00ff7fff8000, 0xfffe000100800080
.text
.macro fold_xmm x
    movq rax, \x
    fold rax
    movhlps xmm15, \x
    movq rax, xmm15
    fold rax
.endm
.macro start_fold
    mov r12d, 1
.endm
.macro finish
    mov rdi, r12
    leave_user
.endm
f_arith:
    start_fold
    movapd xmm0, d_pi[rip]
    movapd xmm1, d_third[rip]
    movapd xmm2, xmm0
    .irp op, addpd, subpd, mulpd, divpd, maxpd, minpd, addsd, subsd, mulsd, divsd
    \op xmm2, xmm1
    fold_xmm xmm2
    movapd xmm3, xmm0
    \op xmm3, xmm1
    fold_xmm xmm3
    .endr
    sqrtpd xmm4, xmm0
    fold_xmm xmm4
    sqrtsd xmm5, xmm0
    movq rax, xmm5
    fold rax
    finish
f_convert:
    start_fold
    movapd xmm0, d_pi[rip]
    cvtpd2ps xmm1, xmm0
    fold_xmm xmm1
    cvttpd2dq xmm1, xmm0
    fold_xmm xmm1
    cvtpd2dq xmm1, xmm0
    fold_xmm xmm1
    cvtsd2si rax, xmm0
    fold rax
    cvttsd2si eax, xmm0
    fold rax
    mov rax, -123456789012
    cvtsi2sd xmm2, rax
    fold_xmm xmm2
    cvtsi2ss xmm2, eax
    movd eax, xmm2
    fold rax
    cvtsd2ss xmm3, xmm0
    movd eax, xmm3
    fold rax
    cvtss2sd xmm4, xmm3
    movq rax, xmm4
    fold rax
    cvtdq2ps xmm5, i_vec[rip]
    fold_xmm xmm5
    cvtdq2pd xmm5, i_vec[rip]
    fold_xmm xmm5
    cvtps2dq xmm6, s_vec[rip]
    fold_xmm xmm6
    cvttps2dq xmm6, s_vec2[rip]
    fold_xmm xmm6
    cvtps2pd xmm6, s_vec[rip]
    fold_xmm xmm6
    finish
f_compare:
    start_fold
    movapd xmm0, d_pi[rip]
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7
    movapd xmm1, xmm0
    cmppd xmm1, d_third[rip], \n
    fold_xmm xmm1
    movaps xmm1, s_vec[rip]
    cmpps xmm1, s_vec2[rip], \n
    fold_xmm xmm1
    .endr
    ucomisd xmm0, d_third[rip]
    fold_flags CF | PF | ZF | SF | OF
    comisd xmm0, d_pi[rip]
    fold_flags CF | PF | ZF | SF | OF
    movmskpd eax, xmm0
    fold rax
    movmskps eax, xmm1
    fold rax
    finish
f_single:
    start_fold
    movaps xmm0, s_vec[rip]
    .irp op, addps, subps, mulps, divps, maxps, minps, addss, mulss, divss, andps, orps, xorps, andnps
    movaps xmm1, xmm0
    \op xmm1, s_vec2[rip]
    fold_xmm xmm1
    .endr
    movaps xmm1, s_vec[rip]
    sqrtss xmm1, xmm1
    fold_xmm xmm1
    finish
f_integer:
    start_fold
    movdqa xmm0, i_vec[rip]
    .irp op, paddb, paddw, paddd, paddq, psubb, psubw, psubd, psubq, paddsb, paddsw, paddusb, paddusw, psubsb, psubsw, psubusb, psubusw, pmullw, pmulhw, pmulhuw, pmuludq, pmaddwd, psadbw, pavgb, pavgw, pmaxub, pmaxsw, pminub, pminsw, pcmpeqb, pcmpeqw, pcmpeqd, pcmpgtb, pcmpgtw, pcmpgtd, pand, pandn, por, pxor
    movdqa xmm1, xmm0
    \op xmm1, i_vec2[rip]
    fold_xmm xmm1
    .endr
    .irp op, psllw, pslld, psllq, psrlw, psrld, psrlq, psraw, psrad
    movdqa xmm1, xmm0
    \op xmm1, 5
    fold_xmm xmm1
    .endr
    movdqa xmm1, xmm0
    pslldq xmm1, 3
    fold_xmm xmm1
    psrldq xmm1, 5
    fold_xmm xmm1
    pmovmskb eax, xmm0
    fold rax
    finish
f_shuffle:
    start_fold
    movdqa xmm0, i_vec[rip]
    .irp op, punpcklbw, punpcklwd, punpckldq, punpcklqdq, punpckhbw, punpckhwd, punpckhdq, punpckhqdq, packsswb, packssdw, packuswb, unpcklps, unpckhpd
    movdqa xmm1, xmm0
    \op xmm1, i_vec2[rip]
    fold_xmm xmm1
    .endr
    pshufd xmm1, xmm0, 0x1b
    fold_xmm xmm1
    pshuflw xmm1, xmm0, 0x93
    fold_xmm xmm1
    pshufhw xmm1, xmm0, 0x4e
    fold_xmm xmm1
    shufps xmm1, xmm0, 0x39
    fold_xmm xmm1
    shufpd xmm1, xmm0, 1
    fold_xmm xmm1
    pextrw eax, xmm0, 5
    fold rax
    pinsrw xmm1, eax, 2
    fold_xmm xmm1
    finish
f_special:
    start_fold
    movapd xmm0, d_big[rip]
    mulsd xmm0, d_pi[rip]
    movq rax, xmm0
    fold rax
    movapd xmm1, d_big[rip]
    mulpd xmm1, d_big[rip]          # infinity; denormal underflow to 0
    fold_xmm xmm1
    subpd xmm1, xmm1                # NaN: default
    fold_xmm xmm1
    xorpd xmm2, xmm2
    divpd xmm2, xmm2
    fold_xmm xmm2
    movapd xmm3, d_pi[rip]
    addpd xmm3, xmm2                # NaN goes through
    fold_xmm xmm3
    maxsd xmm3, d_pi[rip]
    fold_xmm xmm3
    cvtsd2si rax, xmm2              # integer indefinite
    fold rax
    ucomisd xmm2, xmm2
    fold_flags CF | PF | ZF
    mov eax, 1
    movq xmm4, rax                  # smallest denormal
    addsd xmm4, xmm4
    movq rax, xmm4
    fold rax
    finish
f_mxcsr:
    push 0x1f80
    ldmxcsr [rsp]
    movapd xmm0, d_pi[rip]
    divsd xmm0, d_third[rip]        # PE
    xorpd xmm1, xmm1
    movapd xmm2, d_pi[rip]
    divsd xmm2, xmm1                # ZE
    movapd xmm3, d_big[rip]
    mulsd xmm3, xmm3                # OE
    stmxcsr [rsp]
    pop rdi
    leave_user
f_rounding:
    start_fold
    .irp mode, 0x1f80, 0x3f80, 0x5f80, 0x7f80
    push \mode
    ldmxcsr [rsp]
    pop rax
    movapd xmm0, d_pi[rip]
    cvtpd2dq xmm1, xmm0
    fold_xmm xmm1
    divpd xmm0, d_third[rip]
    fold_xmm xmm0
    movaps xmm0, s_vec[rip]
    mulps xmm0, s_vec2[rip]
    fold_xmm xmm0
    .endr
    push 0x1f80
    ldmxcsr [rsp]
    finish
.macro fold_st0
    sub rsp, 16
    fstp tbyte ptr [rsp]
    pop rax
    fold rax
    pop rax
    movzx eax, ax
    fold rax
.endm
f_x87:
    fninit
    start_fold
    .irp op, fadd, fsub, fsubr, fmul, fdiv, fdivr
    fld qword ptr d_pi[rip]
    \op qword ptr d_third[rip]
    fold_st0
    .endr
    fldpi
    fsqrt
    fold_st0
    fld1
    fchs
    fabs
    fold_st0
    .irp op, fldl2e, fldl2t, fldlg2, fldln2, fldpi, fldz, fld1
    \op
    fold_st0
    .endr
    fld qword ptr d_pi[rip]
    frndint
    fold_st0
    fld1
    fld qword ptr d_pi[rip]
    fscale
    fold_st0
    fstp st(0)
    finish
f_x87_stack:
    fninit
    start_fold
    fld1
    fldpi
    fldz
    fxch st(2)
    faddp
    fld st(1)
    fold_st0
    fold_st0
    fold_st0
    fnstsw ax
    movzx eax, ax
    fold rax
    fldz                            # underflow shows in the status: IE and SF
    fstp st(0)
    fstp st(0)
    fnstsw ax
    movzx eax, ax
    and eax, 0x3b41
    fold rax
    fninit
    finish
f_x87_int:
    fninit
    start_fold
    push -12345
    fild qword ptr [rsp]
    fild dword ptr [rsp]
    fild word ptr [rsp]
    faddp
    faddp
    fistp qword ptr [rsp]
    pop rax
    fold rax
    push 0
    fld qword ptr d_pi[rip]
    fist dword ptr [rsp]
    fistp word ptr [rsp + 4]
    pop rax
    fold rax
    sub rsp, 16
    mov qword ptr [rsp], 123456789
    fild qword ptr [rsp]
    fbstp tbyte ptr [rsp]
    fbld tbyte ptr [rsp]
    fistp qword ptr [rsp]
    pop rax
    fold rax
    pop rax
    finish
f_x87_ext:
    fninit
    start_fold
    fld1
    mov ecx, 20
1:  push rcx
    fidiv dword ptr [rsp]
    fld1
    faddp
    fimul dword ptr [rsp]
    pop rax
    loop 1b
    fold_st0
    # single and double precision control
    push 0x007f
    fldcw [rsp]
    fld qword ptr d_pi[rip]
    fmul st(0), st(0)
    fold_st0
    mov dword ptr [rsp], 0x027f
    fldcw [rsp]
    fld1
    fdiv qword ptr d_pi[rip]
    fold_st0
    pop rax
    fninit
    finish
f_x87_cmp:
    fninit
    start_fold
    fldpi
    fld1
    fcom st(1)
    fnstsw ax
    and eax, 0x4700
    fold rax
    fcomi st, st(1)
    fold_flags CF | PF | ZF
    ftst
    fnstsw ax
    and eax, 0x4700
    fold rax
    fxam
    fnstsw ax
    and eax, 0x4700
    fold rax
    fcmovb st, st(1)
    fold_st0
    fucompp
    finish
f_x87_status:
    fninit
    fld1
    fldz
    fdivp                           # ZE
    fnstsw ax
    movzx edi, ax
    and edi, 0x3f
    fnstcw [rsp - 8]
    movzx eax, word ptr [rsp - 8]
    shl rax, 16
    or rdi, rax
    fninit
    leave_user
f_fxsave:
    fninit
    start_fold
    fldpi
    movapd xmm7, d_pi[rip]
    lea rbx, area[rip]
    fxsave [rbx]
    movzx eax, word ptr [rbx]
    fold rax
    movzx eax, byte ptr [rbx + 4]
    fold rax
    fold [rbx + 32]
    fold [rbx + 160 + 112]
    fninit
    xorpd xmm7, xmm7
    fxrstor [rbx]
    movq rax, xmm7
    fold rax
    fold_st0
    finish
f_mmx:
    start_fold
    movq mm0, i_vec[rip]
    movq mm1, mm0
    paddb mm0, i_vec2[rip]
    pmullw mm1, i_vec2[rip]
    punpcklbw mm0, mm1
    psrlq mm0, 3
    movq rax, mm0
    fold rax
    movq rax, mm1
    fold rax
    movq2dq xmm0, mm0
    fold_xmm xmm0
    emms
    finish
.bss
.balign 16
area: .skip 512
