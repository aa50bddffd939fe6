from typing import Any
import asyncio, uuid
from types import SimpleNamespace as NS
from domicile.answers.service import *
from domicile.answers import service as S
from domicile.retrieval.search import SearchQuery
from domicile.domain.actions import Action
from domicile.generation.extractive import ExtractiveGenerator
from domicile.ports.generator import GenerationRequest, TextDelta, Finished
import inspect
def answering(database, keys, gate, clock, retriever, embedder, telemetry):
    gen=ExtractiveGenerator(embedder=embedder, region=gate.cell_region)
    store={}
    class A:
        async def answer(self, caller, request):
            found=await retriever.find(caller, SearchQuery(request.question, request.collections, request.limit), Action.ANSWER_CREATE)
            passages=await retriever.release(caller, found)
            cid=request.conversation_id or uuid.uuid4()
            aid=uuid.uuid4()
            yield S.Sources(aid,cid,passages,found.searched_documents,found.searched_collections,"extractive",gate.cell_region)
            await asyncio.sleep(0.4)
            kw=dict(question=request.question,passages=passages)
            if 'searched_documents' in inspect.signature(GenerationRequest).parameters: kw.update(searched_documents=found.searched_documents,searched_collections=found.searched_collections)
            text=""
            async for e in gen.generate(GenerationRequest(**kw)):
                if isinstance(e,TextDelta):
                    await asyncio.sleep(0.02); text+=e.text; yield S.Delta(e.text)
                else: done=e.answered
            import re
            yield S.Citations([S.Citation(n) for n in sorted({int(x) for x in re.findall(r'\[(\d+)\]',text)})])
            yield S.Done(done)
    class C:
        async def list(self, caller): return []
    return A(), C()
