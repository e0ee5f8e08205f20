using PeftNative.Tokenizers.Added;
using PeftNative.Tokenizers.Decoders;
using PeftNative.Tokenizers.Models;
using PeftNative.Tokenizers.Normalizers;
using PeftNative.Tokenizers.Pipeline;
using PeftNative.Tokenizers.PreTokenizers;
using PeftNative.Tokenizers.Templates;

namespace PeftNative.Tokenizers.Files.Parts;

/// <summary>The parts of a tokenizer, from whatever file they come.</summary>
/// <param name="Model">The model.</param>
/// <param name="Normalizers">Normalizers in order.</param>
/// <param name="PreTokenizers">Pre-tokenizers in order.</param>
/// <param name="Processing">Makes the template, given a function from the role of a special token to its id.</param>
/// <param name="Decoder">The decoder.</param>
/// <param name="Added">Added tokens in order.</param>
/// <param name="Settings">What the configuration says.</param>
internal sealed record TokenizerParts(
    TokenModel Model, List<Normalizer> Normalizers, List<PreTokenizer> PreTokenizers, Func<Func<string, int?>,
        PostProcessing> Processing,
    TokenDecoder Decoder, List<AddedToken> Added, TokenizerSettings Settings);

/// <summary>A tokenizer put together: what the public class works with.</summary>
internal sealed record BuiltTokenizer(
    TokenPipeline Pipeline, TokenModel Model, AddedVocabulary Added, PostProcessing Processing, TokenDecoder Decoder,
    TokenizerSettings Settings);
