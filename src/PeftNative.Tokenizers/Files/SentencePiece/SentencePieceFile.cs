using System.Text;
using Google.Protobuf;
using PeftNative.Tokenizers.Files.Parts;
using PeftNative.Tokenizers.Normalizers;
using PeftNative.Tokenizers.Text;

namespace PeftNative.Tokenizers.Files.SentencePiece;

/// <summary>The kinds of pieces, numbered as in sentencepiece_model.proto.</summary>
internal enum PieceKind { Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6 }

/// <summary>A piece of a SentencePiece model; its place is its id.</summary>
internal sealed record SentencePiece(string Text, float Score, PieceKind Kind);

/// <summary>
/// A SentencePiece model file (protocol buffers, message ModelProto), as far as tokenization needs it. Read field by
/// field, because the generated classes in Microsoft.ML.Tokenizers are not public.
/// </summary>
internal sealed class SentencePieceFile
{
    private const int UnigramType = 1, BpeType = 2;
    private bool addDummyPrefix = true, removeExtraSpaces = true, escapeSpaces = true;
    private byte[] map = [];
    private int type = UnigramType;

    /// <summary>Reads a file.</summary>
    /// <exception cref="ModelFormatException">The file is no such model.</exception>
    public SentencePieceFile(string path)
    {
        Path = path;
        try
        {
            ReadFields(FileBytes.Read(path, Limits.FileBytes), ReadModelField);
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or DecoderFallbackException)
        {
            throw new ModelFormatException("The file is not a SentencePiece model.", path, inner: e);
        }
        if (Pieces.Count == 0) throw new ModelFormatException("The SentencePiece model has no pieces.", path);
        if (type is not (UnigramType or BpeType))
            throw new ModelFormatException("The SentencePiece model is neither BPE nor Unigram.", path);
    }

    /// <summary>
    /// A BPE model whose pieces another file holds; unknown characters become bytes where it has them.
    /// </summary>
    public SentencePieceFile(string path, List<SentencePiece> pieces, bool addDummyPrefix)
    {
        (Path, Pieces, type, this.addDummyPrefix) = (path, pieces, BpeType, addDummyPrefix);
        ByteFallback = pieces.Exists(p => p.Kind == PieceKind.Byte);
    }

    /// <summary>Where it was read from.</summary>
    public string Path { get; }

    /// <summary>The pieces.</summary>
    public List<SentencePiece> Pieces { get; } = [];

    /// <summary>Whether it is a BPE model; else Unigram.</summary>
    public bool IsBpe => type == BpeType;

    /// <summary>Whether unknown characters become bytes.</summary>
    public bool ByteFallback { get; private set; }

    /// <summary>The id of the unknown piece, or -1.</summary>
    public int UnknownId => Pieces.FindIndex(p => p.Kind == PieceKind.Unknown);

    /// <summary>Whether a space is put in front of the text.</summary>
    public bool AddDummyPrefix => addDummyPrefix;

    /// <summary>The character map, or null.</summary>
    public CharsMap? Map => map.Length > 0 ? new(map, Path) : null;

    /// <summary>How the text is normalized.</summary>
    public SentencePieceRules Rules => new(Map, addDummyPrefix, removeExtraSpaces, escapeSpaces);

    private static void ReadFields(byte[] message, Action<int, CodedInputStream> read)
    {
        var input = new CodedInputStream(message);
        for (var tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
        {
            // Field number and wire type together: a known field of another type is skipped like an unknown one.
            var position = input.Position;
            read((int)tag, input);
            if (input.Position == position) input.SkipLastField();
        }
    }

    private static int Length(int field) => (field << 3) | 2;

    private static int Varint(int field) => field << 3;

    private static byte[] Bytes(CodedInputStream input) => input.ReadBytes().ToByteArray();

    private void ReadModelField(int tag, CodedInputStream input)
    {
        if (tag == Length(1)) Pieces.Add(ReadPiece(Bytes(input)));
        else if (tag == Length(2)) ReadFields(Bytes(input), ReadTrainerField);
        else if (tag == Length(3)) ReadFields(Bytes(input), ReadNormalizerField);
        Limits.CheckCount(Pieces.Count, Path);
    }

    private SentencePiece ReadPiece(byte[] message)
    {
        var piece = new SentencePiece("", 0, PieceKind.Normal);
        ReadFields(message, (tag, input) =>
        {
            if (tag == Length(1)) piece = piece with { Text = Limits.CheckToken(Strict.GetString(Bytes(input)), Path) };
            else if (tag == ((2 << 3) | 5)) piece = piece with { Score = input.ReadFloat() };
            else if (tag == Varint(3)) piece = piece with { Kind = (PieceKind)input.ReadInt32() };
        });
        return float.IsFinite(piece.Score) ? piece
            : throw new ModelFormatException("A piece has a score that is not a number.", Path);
    }

    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    private void ReadTrainerField(int tag, CodedInputStream input)
    {
        if (tag == Varint(3)) type = input.ReadInt32();
        else if (tag == Varint(35)) ByteFallback = input.ReadBool();
    }

    private void ReadNormalizerField(int tag, CodedInputStream input)
    {
        if (tag == Length(2)) map = Bytes(input);
        else if (tag == Varint(3)) addDummyPrefix = input.ReadBool();
        else if (tag == Varint(4)) removeExtraSpaces = input.ReadBool();
        else if (tag == Varint(5)) escapeSpaces = input.ReadBool();
    }
}
