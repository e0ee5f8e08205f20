using PeftNative.Data.Reading;

namespace PeftNative.Columnar;

/// <summary>Makes the files of this assembly known to the core.</summary>
public static class ColumnarFormats
{
    private static int isRegistered;

    /// <summary>
    /// Makes Parquet (<c>.parquet</c>), Arrow IPC files and streams (<c>.arrow</c>, <c>.feather</c>, <c>.ipc</c>) and
    /// zstd (<c>.zst</c>) readable as data. Safe to call from several threads and more than once.
    /// </summary>
    public static void Register()
    {
        if (Interlocked.Exchange(ref isRegistered, 1) == 1) return;
        DataFormats.Register(new ParquetFormat());
        DataFormats.Register(new ArrowFormat());
        DataFormats.Register(new Decompression("zstd", [0x28, 0xB5, 0x2F, 0xFD],
            stream => new ZstdSharp.DecompressionStream(stream, leaveOpen: false)));
    }
}
