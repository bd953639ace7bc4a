package serai.cpu;

import org.jspecify.annotations.Nullable;

/** From a decoded instruction to its node. A test sees to it that every row of the table has one. */
final class NodeFactory {
    /** The node; a row that nobody implements raises #UD. */
    static Node make(Decoded d) {
        if (d.row.isVex()) {
            return vex(d);
        }
        Node n = integer(d);
        if (n == null) {
            n = MiscNodes.make(d);
        }
        if (n == null) {
            n = ExtensionNodes.make(d);
        }
        if (n == null) {
            n = SystemNodes.make(d);
        }
        if (n == null) {
            n = SseNodes.make(d);
        }
        if (n == null) {
            n = MmxNodes.make(d);
        }
        if (n == null) {
            n = X87Nodes.make(d);
        }
        return n == null ? new SystemNodes.Raise(CpuSegments.UD) : n;
    }

    private static Node vex(Decoded d) {
        Node n = VexNodes.make(d);
        if (n == null) {
            n = ExtensionNodes.make(d);
        }
        if (n == null) {
            n = new SystemNodes.Raise(CpuSegments.UD);
        }
        // 64-bit code is never real-address or virtual-8086 mode's
        return d.codeSize == 8 ? n : new VexNodes.ProtectedOnly(n);
    }

    private static @Nullable Node integer(Decoded d) {
        return switch (d.row.mnemonic()) {
            case "ADD" -> AluNodes.binary(d, Alu.ADD);
            case "OR" -> AluNodes.binary(d, Alu.OR);
            case "ADC" -> AluNodes.binary(d, Alu.ADC);
            case "SBB" -> AluNodes.binary(d, Alu.SBB);
            case "AND" -> AluNodes.binary(d, Alu.AND);
            case "SUB" -> AluNodes.binary(d, Alu.SUB);
            case "XOR" -> AluNodes.binary(d, Alu.XOR);
            case "CMP" -> AluNodes.binary(d, Alu.CMP);
            case "TEST" -> AluNodes.binary(d, Alu.TEST);
            case "INC" -> AluNodes.unary(d, Alu.INC);
            case "DEC" -> AluNodes.unary(d, Alu.DEC);
            case "NEG" -> AluNodes.unary(d, Alu.NEG);
            case "NOT" -> AluNodes.unary(d, Alu.NOT);
            case "MOV" -> MoveNodes.mov(d);
            case "MOVZX" -> MoveNodes.extend(d, false);
            case "MOVSX" -> MoveNodes.extend(d, true);
            case "LEA" -> MoveNodes.lea(d);
            case "CMOVcc" -> MoveNodes.cmov(d);
            case "SETcc" -> MoveNodes.setcc(d);
            case "PUSH" -> MoveNodes.push(d);
            case "POP" -> MoveNodes.pop(d);
            case "XCHG" ->
                d.isMem(0)
                        ? new MoveNodes.Exchange(d, MoveNodes.Exchange.XCHG)
                        : d.operand[0] == d.operand[1] && d.opcode == 0x90
                                ? new MoveNodes.Nop()
                                : new MoveNodes.XchgReg(d);
            case "XADD" -> exchange(d, MoveNodes.Exchange.XADD);
            case "CMPXCHG" -> exchange(d, MoveNodes.Exchange.CMPXCHG);
            case "CMPXCHG8B", "CMPXCHG16B" -> new MoveNodes.ExchangePair(d);
            case "ROL", "ROR", "RCL", "RCR", "SHL", "SHR", "SAR" -> BitNodes.shift(d);
            case "SHLD" -> doubleShift(d, true);
            case "SHRD" -> doubleShift(d, false);
            case "BT" -> bit(d, BitNodes.BT);
            case "BTS" -> bit(d, BitNodes.BTS);
            case "BTR" -> bit(d, BitNodes.BTR);
            case "BTC" -> bit(d, BitNodes.BTC);
            case "BSF" -> new BitNodes.Scan(d, false);
            case "BSR" -> new BitNodes.Scan(d, true);
            case "MUL" -> new ArithmeticNodes.Multiply(d, false);
            case "IMUL1" -> new ArithmeticNodes.Multiply(d, true);
            case "IMUL" -> new ArithmeticNodes.Imul(d);
            case "DIV" -> new ArithmeticNodes.Divide(d, false);
            case "IDIV" -> new ArithmeticNodes.Divide(d, true);
            case "CBW" -> new ArithmeticNodes.Cbw(d);
            case "CWD" -> new ArithmeticNodes.Cwd(d);
            case "DAA", "DAS", "AAA", "AAS", "AAM", "AAD" -> new ArithmeticNodes.Decimal(d);
            case "Jcc" -> FlowNodes.jcc(d);
            case "JMP" -> new FlowNodes.Jmp(d);
            case "JMPN" -> d.isMem(0) ? new FlowNodes.JmpMem(d) : new FlowNodes.JmpReg(d);
            case "CALL" -> new FlowNodes.Call(d);
            case "CALLN" -> d.isMem(0) ? new FlowNodes.CallMem(d) : new FlowNodes.CallReg(d);
            case "RET" -> new FlowNodes.Ret(d);
            case "LOOP", "LOOPE", "LOOPNE", "JCXZ" -> new FlowNodes.Loop(d);
            case "JMPF" -> new FlowNodes.Far(d, false);
            case "CALLF" -> new FlowNodes.Far(d, true);
            case "JMPFM" -> new FlowNodes.FarMem(d, false);
            case "CALLFM" -> new FlowNodes.FarMem(d, true);
            case "RETF" -> new FlowNodes.RetFar(d);
            case "MOVS" -> new StringNodes.Movs(d);
            case "STOS" -> new StringNodes.Stos(d);
            case "LODS" -> new StringNodes.Lods(d);
            case "CMPS" -> new StringNodes.Compare(d, false);
            case "SCAS" -> new StringNodes.Compare(d, true);
            case "INS" -> new StringNodes.Ins(d);
            case "OUTS" -> new StringNodes.Outs(d);
            default -> null;
        };
    }

    private static Node exchange(Decoded d, int op) {
        return d.isMem(0) ? new MoveNodes.Exchange(d, op) : new MoveNodes.ExchangeReg(d, op);
    }

    private static Node doubleShift(Decoded d, boolean left) {
        return d.isMem(0) ? new BitNodes.DoubleShiftMem(d, left) : new BitNodes.DoubleShift(d, left);
    }

    private static Node bit(Decoded d, int op) {
        return d.isMem(0) ? new BitNodes.BitMem(d, op) : new BitNodes.BitReg(d, op);
    }

    private NodeFactory() {}
}
