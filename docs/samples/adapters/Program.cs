// Two adapters on one base: use each, both in one batch, none, and write a merged model.
//   dotnet run -- MODEL_FOLDER ADAPTER_A ADAPTER_B OUTPUT_FOLDER
using PeftNative.Backends;
using PeftNative.Inference;
using PeftNative.Models.Layers;
using PeftNative.Models.Loading;
using PeftNative.Peft;
using PeftNative.Peft.Merging;
using PeftNative.Tokenizers;

using var backend = BackendFactory.Create();
var (model, _) = ModelLoader.Load(backend, args[0]);
using var owned = model;
var tokenizer = HfTokenizer.Load(args[0]);
using var a = AdapterFolder.Load(model, args[1], name: "a");
using var b = AdapterFolder.Load(model, args[2], name: "b");

// The model is never changed: whoever computes lists the adapters, and several may compute with one model in turns.
string Continue(params AttachmentSet[] adapters)
{
    using var generator = new TextGenerator(model, tokenizer, adapters);
    return generator.Generate("The code of box 1 is", new GenerationOptions { MaxTokens = 8 });
}

var bare = Continue();
Console.WriteLine($"base: {bare}\na:    {Continue(a)}\nb:    {Continue(b)}\nboth: {Continue(a, b)}");
if (Continue() != bare) throw new InvalidOperationException("the base has changed");

var report = ModelMerger.Merge(backend, args[0], [new AdapterSource(args[1])], args[3]);
Console.WriteLine($"merged {report.Changed} tensors; logits differ by {report.LargestDifference:0.0e+00} at most");
