namespace PeftNative.Formats.Torch;

/// <summary>The instructions of a pickle that tensors need.</summary>
internal enum Opcode : byte
{
    Mark = (byte)'(', EmptyTuple = (byte)')', Stop = (byte)'.', Float = (byte)'G', Int = (byte)'J', Byte = (byte)'K',
    UShort = (byte)'M', None = (byte)'N', PersistentId = (byte)'Q', Reduce = (byte)'R', String = (byte)'T',
    ShortString = (byte)'U', Text = (byte)'X', EmptyList = (byte)']', Append = (byte)'a', Build = (byte)'b',
    Global = (byte)'c', Appends = (byte)'e', Get = (byte)'h', LongGet = (byte)'j', Put = (byte)'q',
    LongPut = (byte)'r', SetItem = (byte)'s', Tuple = (byte)'t', SetItems = (byte)'u', EmptyDict = (byte)'}',
    Proto = 0x80, Tuple1 = 0x85, Tuple2 = 0x86, Tuple3 = 0x87, True = 0x88, False = 0x89, Long1 = 0x8a,
    ShortText = 0x8c, StackGlobal = 0x93, Memoize = 0x94, Frame = 0x95,
}

/// <summary>Names of the others, for messages.</summary>
internal static class Opcodes
{
    private static readonly Dictionary<byte, string> Others = new()
    {
        [(byte)'0'] = "POP", [(byte)'1'] = "POP_MARK", [(byte)'2'] = "DUP", [(byte)'F'] = "FLOAT", [(byte)'I'] = "INT",
        [(byte)'L'] = "LONG", [(byte)'P'] = "PERSID", [(byte)'S'] = "STRING", [(byte)'V'] = "UNICODE",
        [(byte)'B'] = "BINBYTES", [(byte)'C'] = "SHORT_BINBYTES", [(byte)'d'] = "DICT", [(byte)'g'] = "GET",
        [(byte)'i'] = "INST", [(byte)'l'] = "LIST", [(byte)'o'] = "OBJ", [(byte)'p'] = "PUT", [0x81] = "NEWOBJ",
        [0x82] = "EXT1", [0x83] = "EXT2", [0x84] = "EXT4", [0x8b] = "LONG4", [0x8d] = "BINUNICODE8",
        [0x8e] = "BINBYTES8", [0x8f] = "EMPTY_SET", [0x90] = "ADDITEMS", [0x91] = "FROZENSET", [0x92] = "NEWOBJ_EX",
        [0x96] = "BYTEARRAY8", [0x97] = "NEXT_BUFFER", [0x98] = "READONLY_BUFFER",
    };

    /// <summary>Name and number of an instruction.</summary>
    internal static string Describe(byte code) =>
        Others.TryGetValue(code, out var name) ? $"{name} (0x{code:x2})" : $"0x{code:x2}";
}
